// Clients on a map of the world, and what a WHATSAT has found. One unit is a twentieth of a degree, as in coast.txt.

import { Sheet, circle, colour, colourNamed, element, keyed, say, set, shape } from "./draw.js";

const UNITS = 20, WIDTH = 360 * UNITS, HEIGHT = 180 * UNITS;
const NARROWEST = 0.1; // units: half a kilometre
const WORLD = { x: 0, y: 6 * UNITS, width: WIDTH, height: HEIGHT - 36 * UNITS }; // Without the ice of the south.
const KM_PER_DEGREE = 111.2;

// A client that has just changed has a ring that grows and fades, again and again. It is drawn less often than a screen
// shows frames: nobody sees the difference, and it costs a third.
const RINGS = { most: 12, within: 1.5, lasts: 1200, every: 45, radius: 7, line: 2 }; // s, ms, ms, pixels, pixels

export function project(latitude, longitude) {
  return { x: (longitude + 180) * UNITS, y: (90 - latitude) * UNITS };
}

export class WorldMap {
  constructor(svg, { chosen, pointed }) {
    this.svg = svg;
    this.coast = shape("path", { class: "land" });
    this.grid = shape("path", { class: "grid", d: grid() });
    this.around = shape("g", { class: "around" });
    this.dots = shape("g", { class: "dots" });
    this.chosen = shape("g", { class: "chosen" });
    this.pin = shape("path", { class: "pin" });
    this.labels = shape("g", { class: "labels" });
    svg.append(this.around, this.dots, this.chosen, this.pin, this.labels);
    // What never changes lies below, in a picture of its own: a browser then need not draw all coasts anew when a client
    // moves. What always moves lies above.
    this.ground = shape("svg", { class: "ground", "aria-hidden": "true" }, this.grid, this.coast);
    this.rings = new Map(); // "client time" -> {place, began}
    this.ringsAt = 0; // When they were last drawn.
    this.fresh = new Sheet("fresh", () => this.paintRings(performance.now()));
    this.isStill = matchMedia("(prefers-reduced-motion: reduce)");
    svg.before(this.ground);
    svg.after(this.fresh.canvas);
    this.view = { ...WORLD };
    this.size = svg.getBoundingClientRect();
    this.choose = chosen;
    this.point = pointed;
    this.listen();
    this.show();
    fetch("coast.txt").then((answer) => answer.text()).then((text) => set(this.coast, { d: text }), () => {});
  }

  listen() {
    const { svg } = this;
    let from;
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = { x: event.clientX, y: event.clientY, view: { ...this.view }, moved: false };
    });
    svg.addEventListener("pointermove", (event) => {
      if (!from || event.buttons === 0) return;
      const dx = event.clientX - from.x, dy = event.clientY - from.y;
      if (!from.moved && Math.hypot(dx, dy) < 5) return;
      if (!from.moved) svg.setPointerCapture(event.pointerId);
      from.moved = true;
      const unit = this.unit();
      this.look({ ...from.view, x: from.view.x - dx * unit, y: from.view.y - dy * unit });
    });
    svg.addEventListener("pointerup", (event) => {
      if (from && !from.moved) this.clicked(event);
      from = undefined;
    });
    svg.addEventListener("pointercancel", () => (from = undefined));
    svg.addEventListener("wheel", (event) => {
      // Only with Ctrl, as in other maps: a person who scrolls the page does not want to zoom.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.at(event));
    }, { passive: false });
    svg.addEventListener("keydown", (event) => {
      const step = 0.15, { width, height } = this.view;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      const move = moves[event.key];
      if (move) this.look({ ...this.view, x: this.view.x + move[0] * width, y: this.view.y + move[1] * height });
      else if (event.key === "+" || event.key === "=") this.zoom(0.7);
      else if (event.key === "-") this.zoom(1.4);
      else if (event.key === "0") this.whole();
      else return;
      event.preventDefault();
    });
    // Asked for at each change, the size would have the browser lay out the page each time.
    new ResizeObserver(() => {
      this.size = svg.getBoundingClientRect();
      this.show();
    }).observe(svg);
  }

  // What is seen: the view, and more of the world where the frame has another shape.
  seen() {
    const { x, y, width, height } = this.view, frame = this.size;
    const shape = (frame.width || 2) / (frame.height || 1);
    const wide = Math.max(width, height * shape), high = wide / shape;
    return { x: x - (wide - width) / 2, y: y - (high - height) / 2, width: wide, height: high };
  }

  // Units for each pixel.
  unit() {
    return this.seen().width / (this.size.width || 1);
  }

  // Where on the map the pointer is.
  at(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return { x: point.x, y: point.y };
  }

  clicked(event) {
    const { x, y } = this.at(event), near = 9 * this.unit();
    let best;
    for (const client of this.clients ?? []) {
      const place = project(client.latitude, client.longitude);
      const far = Math.hypot(place.x - x, place.y - y);
      if (far < near && far < (best?.far ?? Infinity)) best = { client, far };
    }
    if (best) return this.choose(best.client);
    const latitude = 90 - y / UNITS, longitude = x / UNITS - 180;
    if (Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180) this.point(latitude, longitude);
  }

  zoom(by, around) {
    const { x, y, width, height } = this.view;
    const center = around ?? { x: x + width / 2, y: y + height / 2 };
    const factor = Math.max(NARROWEST / width, Math.min(by, WIDTH / width));
    this.look({
      x: center.x - (center.x - x) * factor, y: center.y - (center.y - y) * factor,
      width: width * factor, height: height * factor,
    });
  }

  whole() {
    this.look({ ...WORLD });
  }

  // Shows all of these, and something around them.
  fit(points, narrowest = 80) {
    if (points.length === 0) return this.whole();
    const xs = points.map(({ x }) => x), ys = points.map(({ y }) => y);
    const left = Math.min(...xs), right = Math.max(...xs), top = Math.min(...ys), bottom = Math.max(...ys);
    const width = Math.max((right - left) * 1.4, narrowest), height = Math.max((bottom - top) * 1.4, narrowest / 2);
    this.look({ x: (left + right - width) / 2, y: (top + bottom - height) / 2, width, height });
  }

  // Moves the map if this place is not on it.
  showPlace(latitude, longitude) {
    const point = project(latitude, longitude), { x, y, width, height } = this.seen();
    const isSeen = point.x > x && point.x < x + width && point.y > y && point.y < y + height;
    const { view } = this;
    if (!isSeen) this.look({ ...view, x: point.x - view.width / 2, y: point.y - view.height / 2 });
  }

  look(view) {
    const width = Math.min(view.width, WIDTH), height = Math.min(view.height, HEIGHT);
    const within = (start, size, all) => Math.max(-size / 2, Math.min(start, all - size / 2));
    this.view = { x: within(view.x, width, WIDTH), y: within(view.y, height, HEIGHT), width, height };
    this.show();
  }

  show() {
    const { x, y, width, height } = this.seen();
    for (const svg of [this.ground, this.svg]) set(svg, { viewBox: `${x} ${y} ${width} ${height}` });
    this.place();
    this.showScale?.();
  }

  // What keeps its size on the screen is placed again when the view changes.
  place() {
    const unit = this.unit();
    const scale = (node, { x, y }) => set(node, { transform: `translate(${x} ${y}) scale(${unit})` });
    for (const node of [...this.chosen.children, ...this.labels.children]) if (node.place) scale(node, node.place);
    if (this.rings.size > 0) this.paintRings(performance.now());
    if (this.pinned) set(this.pin, { d: "M0 0L-6 -15A6.5 6.5 0 1 1 6 -15z" });
    if (this.pinned) scale(this.pin, this.pinned);
    this.hideCrowded(unit);
  }

  // Of labels that would lie on each other, the first is shown.
  hideCrowded(unit) {
    const shown = [...this.chosen.children].map((node) => node.place);
    for (const node of this.labels.children) {
      const place = node.place;
      const isFree = shown.every(({ x, y }) => Math.abs(x - place.x) > 190 * unit || Math.abs(y - place.y) > 15 * unit);
      if (isFree) shown.push(place);
      set(node.lastChild, { class: isFree ? null : "hidden" });
    }
  }

  draw(model, client, answer) {
    this.clients = model.clients.values();
    const byServer = new Map();
    for (const { latitude, longitude, server, isHeld } of model.clients.values()) {
      const { x, y } = project(latitude, longitude);
      const name = isHeld ? colour(model, server) : "c-none"; // Grey, if no server that runs knows it any more.
      byServer.set(name, `${byServer.get(name) ?? ""}M${x.toFixed(2)} ${y.toFixed(2)}h0`);
    }
    keyed(this.dots, [...byServer], ([name]) => name, ([name]) => shape("path", { class: `dot ${name}` }),
      (node, [, d]) => set(node, { d }));
    this.clients = [...model.clients.values()];
    this.drawFresh(model);
    const known = client === undefined ? undefined : model.clients.get(client);
    keyed(this.chosen, known ? [known] : [], (one) => one.client, () => shape("g", {},
      shape("circle", { r: 11 }), shape("circle", { r: 6, class: "inner" }),
      shape("text", { x: 15, dy: "0.35em" })), (node, one) => {
      node.place = project(one.latitude, one.longitude);
      say(node.lastChild, one.client);
    });
    this.drawAnswer(answer);
    this.place();
  }

  // The clients that have just changed light up.
  drawFresh(model) {
    const all = this.clients, before = this.rings, now = performance.now();
    this.rings = new Map();
    for (let at = all.length - 1; at >= 0 && this.rings.size < RINGS.most; at -= 1) {
      const { client, time, changed, latitude, longitude } = all[at];
      if (!changed || model.now - changed > RINGS.within) break;
      const key = `${client} ${time}`, began = before.get(key)?.began ?? now;
      this.rings.set(key, { place: project(latitude, longitude), began });
    }
    if (this.rings.size > 0) this.moveRings();
    else if (before.size > 0) this.paintRings(now);
  }

  moveRings() {
    if (this.isMoving || this.isStill.matches) return;
    this.isMoving = true;
    requestAnimationFrame((now) => {
      this.isMoving = false;
      if (this.rings.size === 0) return;
      if (now - this.ringsAt >= RINGS.every) this.paintRings(now);
      this.moveRings();
    });
  }

  paintRings(now) {
    if (this.fresh.width === 0) return;
    this.ringsAt = now;
    const pen = this.fresh.clear(this.fresh.width), seen = this.seen(), unit = this.unit();
    pen.strokeStyle = colourNamed("way");
    for (const { place, began } of this.rings.values()) {
      const part = (Math.max(0, now - began) % RINGS.lasts) / RINGS.lasts, grown = 1 - (1 - part) ** 2;
      const size = this.isStill.matches ? 1 : 0.5 + 1.5 * grown;
      pen.globalAlpha = this.isStill.matches ? 1 : 1 - grown;
      pen.lineWidth = RINGS.line * size;
      circle(pen, { x: (place.x - seen.x) / unit, y: (place.y - seen.y) / unit }, RINGS.radius * size);
      pen.stroke();
    }
  }

  drawAnswer(answer) {
    const list = answer ? [answer] : [];
    keyed(this.around, list, ({ key }) => key, ({ latitude, longitude, radius }) => {
      const { x, y } = project(latitude, longitude);
      const ry = (radius / 1000 / KM_PER_DEGREE) * UNITS;
      const rx = ry / Math.max(0.02, Math.cos((latitude * Math.PI) / 180));
      return shape("ellipse", { cx: x, cy: y, rx, ry });
    });
    const numbered = (answer?.places ?? []).map((place, number) => ({ ...place, number }));
    const places = numbered.filter(({ latitude, longitude }) => latitude !== null && longitude !== null);
    keyed(this.labels, places, ({ number, name }) => `${answer.key} ${number} ${name}`, ({ name }) =>
      shape("g", { role: "img", "aria-label": `Place ${name}` }, shape("path", { d: "M0 -5L5 0L0 5L-5 0z" }),
        shape("text", { x: 9, dy: "0.35em" }, shortened(name ?? ""))), (node, { latitude, longitude }) => {
      node.place = project(latitude, longitude);
    });
  }

  // Shows the places and the one who asked; without places, the whole circle.
  showAnswer({ latitude, longitude, radius, places }) {
    const { x, y } = project(latitude, longitude);
    const found = places.filter((place) => place.latitude !== null);
    if (found.length > 0) return this.fit([{ x, y }, ...found.map((one) => project(one.latitude, one.longitude))], 0.3);
    const r = Math.max(0.2, (radius / 1000 / KM_PER_DEGREE) * UNITS * 1.25);
    this.fit([{ x: x - r, y: y - r }, { x: x + r, y: y + r }], 0.3);
  }

  setPin(latitude, longitude) {
    this.pinned = project(latitude, longitude);
    this.place();
  }

  removePin() {
    this.pinned = undefined;
    set(this.pin, { d: null });
  }
}

// A bar that is a round number of kilometres long.
export function scaleBar(map, node) {
  const text = element("span"), bar = element("i");
  node.replaceChildren(bar, text);
  map.showScale = () => {
    const { y, height } = map.view;
    const latitude = 90 - (y + height / 2) / UNITS;
    const perPixel = (map.unit() / UNITS) * KM_PER_DEGREE * Math.max(0.1, Math.cos((latitude * Math.PI) / 180));
    const most = 90 * perPixel, power = 10 ** Math.floor(Math.log10(most));
    const long = [5, 2, 1].map((number) => number * power).find((number) => number <= most) ?? power;
    bar.style.width = `${(long / perPixel).toFixed(1)}px`;
    say(text, long >= 1 ? `${long} km` : `${Math.round(long * 1000)} m`);
  };
  map.showScale();
}

function shortened(name) {
  return name.length > 26 ? `${name.slice(0, 25)}…` : name;
}

function grid() {
  let d = "";
  for (let x = 0; x <= 360; x += 30) d += `M${x * UNITS} 0V${HEIGHT}`;
  for (let y = 0; y <= 180; y += 30) d += `M0 ${y * UNITS}H${WIDTH}`;
  return d;
}
