// Small tools for drawing: elements, lists that change as little as they can, times as people read them.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(node, attributes, children) {
  set(node, attributes);
  node.append(...children);
  return node;
}

// Sets attributes that differ. `null` and `undefined` remove one.
export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
}

export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Makes the children of `parent` those of `items`: each is made once by `make`, and then brought up to date by
// `update`. So what a person has focused stays, and a screen reader does not begin anew. Two items should not have the
// same key: the second would be made anew each time. Whatever has no item now is removed.
export function keyed(parent, items, key, make, update) {
  const names = items.map(key);
  let next = parent.firstChild; // What stands at the place of the next item.
  let wanted, others; // Needed only if not all stand there already.
  items.forEach((item, at) => {
    const name = names[at];
    if (next && next.itemKey !== name) {
      wanted ??= new Set(names);
      while (next && !wanted.has(next.itemKey)) next = remove(next);
    }
    let child = next;
    if (next?.itemKey === name) next = next.nextSibling;
    else {
      others ??= byKey(next);
      child = others.get(name) ?? make(item);
      child.itemKey = name;
      parent.insertBefore(child, next);
    }
    others?.delete(name);
    update?.(child, item);
  });
  while (next) next = remove(next);
}

// Removes a child, and returns the one that stood after it.
function remove(child) {
  const { nextSibling } = child;
  child.remove();
  return nextSibling;
}

function byKey(first) {
  const children = new Map();
  for (let child = first; child; child = child.nextSibling) children.set(child.itemKey, child);
  return children;
}

// A canvas that lies over a picture, for what moves at each frame. It is then no part of the document: a browser would
// style, lay out and paint the document anew for each step.
export class Sheet {
  constructor(name, resized) {
    this.canvas = element("canvas", { class: name, "aria-hidden": "true" });
    this.width = 0; // pixels of CSS; nothing can be drawn until it is known
    new ResizeObserver(([{ contentRect: { width, height } }]) => {
      this.width = width;
      set(this.canvas, { width: Math.round(width * devicePixelRatio), height: Math.round(height * devicePixelRatio) });
      resized();
    }).observe(this.canvas);
  }

  // Empties the sheet. The pen draws in units, of which `units` are as wide as the sheet.
  clear(units) {
    const { canvas } = this, pen = canvas.getContext("2d"), scale = canvas.width / units;
    pen.resetTransform();
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.scale(scale, scale);
    return pen;
  }
}

export function circle(pen, { x, y }, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
}

const colours = new Map();

// A colour of style.css as it is now: light, or dark. To ask at each drawing would have the browser style all anew.
export function colourNamed(name) {
  if (!colours.has(name)) {
    colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  }
  return colours.get(name);
}

// They are others from now on.
export function forgetColours() {
  colours.clear();
}

export function duration(seconds) {
  if (seconds === undefined || seconds === null) return "";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}

let isWorldTime = false;

// From now on times are those of a simulated world, which begins at 0.
export function showWorldTime() {
  isWorldTime = true;
}

export function clock(at) {
  if (isWorldTime) return at === undefined || at === null ? "" : `${at.toFixed(3)} s`;
  if (!at) return "";
  const date = new Date(at * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${time}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

export function many(count, what) {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

export function bytes(count) {
  if (count === null || count === undefined) return "not told by this system";
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (count >= 1024 && unit < 3) {
    count /= 1024;
    unit += 1;
  }
  return `${count.toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`;
}

// A server's colour, by its place in the herd. There are eight; after that they come again. Grey, if no events come.
export function colour(model, name) {
  if (!model.isLive) return "c-none";
  const number = [...model.servers.keys()].indexOf(name);
  return number < 0 ? "c-none" : `c-${number % 8}`;
}
