"""Makes coast.svg.txt: the coast lines of the world as the data of one SVG path. Run by hand, not by the build.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python3 src/page/coast.py package/land-50m.json > src/page/coast.svg.txt

Source: Natural Earth, 1:50m land, version 4.1, which is in the public domain (naturalearthdata.com), in the form of
TopoJSON that the npm package world-atlas gives it (ISC licence).

One unit is a twentieth of a degree. x grows to the east from -180 degrees, y to the south from +90. Lines are
simplified by Douglas and Peucker's algorithm; islands of less than a tenth of a square degree are left out.
"""

import json
import math
import sys

UNITS_PER_DEGREE = 20
TOLERANCE = 0.1  # degrees
SMALLEST = 0.1  # square degrees


def rings(topology):
    """All rings of the land, in degrees."""
    (scale_x, scale_y), (move_x, move_y) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append((x * scale_x + move_x, y * scale_y + move_y))
        arcs.append(points)
    for geometry in topology["objects"]["land"]["geometries"]:
        polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
        for ring in (ring for polygon in polygons for ring in polygon):
            points = []
            for number in ring:  # A negative number is an arc that is walked backwards.
                arc = arcs[number] if number >= 0 else arcs[~number][::-1]
                points += arc[1:] if points else arc
            yield points


def unwrapped(points):
    """The ring without jumps from one edge of the map to the other: it may go beyond an edge, and is then drawn at both
    edges. A ring around a pole is closed by way of the pole."""
    whole, shift = [points[0]], 0
    for (ax, _), (bx, y) in zip(points, points[1:] + points[:1]):
        shift += 360 if bx - ax < -180 else -360 if bx - ax > 180 else 0
        whole.append((bx + shift, y))
    last = whole.pop() if shift == 0 else whole[-1]
    if shift:
        pole = math.copysign(90, last[1])
        whole += [(last[0], pole), (whole[0][0], pole)]
    if max(x for x, _ in whole) > 180:
        yield [(x - 360, y) for x, y in whole]
    if min(x for x, _ in whole) < -180:
        yield [(x + 360, y) for x, y in whole]
    yield whole


def area(points):
    pairs = zip(points, points[1:] + points[:1])
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairs)) / 2


def simplified(points):
    keep = [False] * len(points)
    keep[0] = keep[-1] = True
    todo = [(0, len(points) - 1)]
    while todo:
        first, last = todo.pop()
        (ax, ay), (bx, by) = points[first], points[last]
        length = math.hypot(bx - ax, by - ay)
        farthest, at = 0, None
        for i in range(first + 1, last):
            x, y = points[i]
            off = abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length if length else math.hypot(x - ax, y - ay)
            if off > farthest:
                farthest, at = off, i
        if farthest > TOLERANCE:
            keep[at] = True
            todo += [(first, at), (at, last)]
    return [point for point, kept in zip(points, keep) if kept]


def path(points):
    """One ring: an absolute start, then relative steps. A minus sign separates numbers, so it needs no space."""
    grid = [(round((x + 180) * UNITS_PER_DEGREE), round((90 - y) * UNITS_PER_DEGREE)) for x, y in points]
    text, (x, y) = "M%d %d" % grid[0], grid[0]
    steps = []
    for to_x, to_y in grid[1:]:
        if (to_x, to_y) != (x, y):
            steps += [to_x - x, to_y - y]
            x, y = to_x, to_y
    return text + "l" + "".join(str(n) if n < 0 or i == 0 else " %d" % n for i, n in enumerate(steps)) + "z"


def main():
    with open(sys.argv[1]) as file:
        topology = json.load(file)
    for ring in rings(topology):
        for whole in unwrapped(ring):
            if area(whole) >= SMALLEST:
                print(path(simplified(whole)))


main()
