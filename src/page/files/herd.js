// The herd as a map: servers on a circle, and a line for each direction of each link.

import { UP, DOWN, FROZEN } from "./model.js";
import { clock, colour, duration, keyed, many, say, set, shape } from "./draw.js";

// Many servers: they are small, and have numbers beside them instead of names; if they are very many, every tenth one.
const SMALL = { from: 24, numbered: 60, tenth: 10 };
export const SIZE = 520;
const MIDDLE = SIZE / 2, FLIGHT = 700; // ms
const HIT = 14; // The radius within which a click hits a small server, if no other one is as near.

export class HerdMap {
  constructor(svg, select) {
    this.links = shape("g");
    this.way = shape("g", { class: "way" });
    this.flights = shape("g", { "aria-hidden": "true" });
    this.nodes = shape("g");
    this.flying = [];
    this.select = select;
    this.isCrowd = false; // More servers than can be drawn large.
    set(svg, { viewBox: `0 0 ${SIZE} ${SIZE}` });
    svg.append(this.links, this.way, this.flights, this.nodes);
    this.isStill = matchMedia("(prefers-reduced-motion: reduce)");
  }

  draw(model, selected, way) {
    this.places = new Map();
    const names = [...model.servers.keys()];
    const layout = names.join(" ");
    if (layout !== this.layout) for (const part of [this.links, this.nodes, this.way]) part.replaceChildren();
    this.layout = layout;
    const small = this.isCrowd = names.length > SMALL.from;
    this.radius = names.length > 100 ? 3.5 : small ? 7 : names.length > 10 ? 15 : 24;
    const far = names.length === 1 ? 0 : MIDDLE - (small ? 44 : 74);
    this.apart = (2 * Math.PI * far) / names.length;
    names.forEach((name, number) => {
      const angle = (number / names.length) * 2 * Math.PI - Math.PI / 2;
      this.places.set(name, { x: MIDDLE + far * Math.cos(angle), y: MIDDLE + far * Math.sin(angle), angle });
    });
    keyed(this.links, model.links(), (link) => `${link.from} ${link.to}`, (link) => this.makeLink(link),
      (node, link) => updateLink(node, link));
    keyed(this.nodes, names, (name) => name, (name) => this.makeNode(name),
      (node, name) => updateNode(node, name, model, selected, small));
    this.drawWay(model, way);
    // A simulated herd says itself where each message is.
    for (const { from, to } of model.flights.splice(0)) if (!model.run) this.fly(from, to);
  }

  // The two directions of a link lie beside each other.
  line(from, to, start = 1) {
    const a = this.places.get(from), b = this.places.get(to);
    if (!a || !b) return undefined;
    const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    const x = (b.x - a.x) / length, y = (b.y - a.y) / length, aside = Math.min(5, this.radius / 3);
    const gap = this.radius + 4;
    return {
      ax: a.x + x * gap * start - y * aside, ay: a.y + y * gap * start + x * aside,
      bx: b.x - x * (gap + 3) - y * aside, by: b.y - y * (gap + 3) + x * aside,
    };
  }

  makeLink({ from, to }) {
    const at = this.line(from, to);
    if (!at) return shape("g");
    const d = `M${at.ax.toFixed(1)} ${at.ay.toFixed(1)}L${at.bx.toFixed(1)} ${at.by.toFixed(1)}`;
    const link = shape("g", { class: "link", role: "img" }, shape("title"), shape("path", { d, class: "stroke" }),
      shape("path", { d: arrow(at), class: "head" }));
    if (this.selectLink) {
      link.append(shape("path", { d, class: "hit" }));
      set(link, { role: "button", tabindex: this.isCrowd ? -1 : 0 });
      onChoice(link, link, () => this.selectLink(from, to));
    }
    return link;
  }

  makeNode(name) {
    const { x, y, angle } = this.places.get(name);
    const below = Math.sin(angle) > -0.2, small = this.isCrowd;
    const label = this.radius + 18;
    const outside = this.radius + 16;
    const beside = small
      ? { class: "name small", x: (outside * Math.cos(angle)).toFixed(1), y: (outside * Math.sin(angle)).toFixed(1), dy: "0.35em" }
      : { class: "name", y: below ? label + 2 : -label + 8 };
    // The words stand beside the button: its name says the same in whole sentences.
    const button = shape("g", { role: "button", tabindex: 0, "data-server": name },
      shape("circle", { r: Math.max(this.radius, Math.min(HIT, this.apart / 2)), class: "hit" }),
      shape("circle", { r: this.radius + (small ? 3.5 : 7), class: "halo" }), shape("circle", { r: this.radius, class: "disc" }));
    const node = shape("g", { class: "server", transform: `translate(${x} ${y})` }, button,
      shape("g", { "aria-hidden": true }, shape("text", { class: "count", "text-anchor": "middle", dy: "0.35em" }),
        shape("text", { ...beside, "text-anchor": "middle" }),
        shape("text", { class: "note", "text-anchor": "middle", y: below ? label + 19 : -label - 9 })));
    onChoice(node, button, () => this.select(name));
    return node;
  }

  // The steps of one location's way, numbered.
  drawWay(model, way) {
    const seen = new Map();
    // A link that is down is to look like one, although a location went along it before.
    const isOpen = (from, to) => model.linkState(from, to).state === UP && model.faults.get(`${from} ${to}`) !== "cut";
    (way?.steps ?? []).forEach((step, at) => {
      // A step that nobody has seen is not drawn: it may have gone another way.
      const key = `${step.from} ${step.to}`, isHere = this.places.has(step.from) && this.places.has(step.to);
      if (!step.sure || !isHere || seen.has(key) || !isOpen(step.from, step.to)) return;
      seen.set(key, { ...step, number: at + 1 });
    });
    keyed(this.way, [...seen.values()], ({ from, to }) => `${from} ${to}`, ({ from, to }) => {
      const at = this.line(from, to);
      const d = `M${at.ax.toFixed(1)} ${at.ay.toFixed(1)}L${at.bx.toFixed(1)} ${at.by.toFixed(1)}`;
      return shape("g", {}, shape("path", { d, class: "stroke" }), shape("path", { d: arrow(at), class: "head" }),
        shape("circle", { r: 8, cx: mix(at.ax, at.bx), cy: mix(at.ay, at.by) }),
        shape("text", { x: mix(at.ax, at.bx), y: mix(at.ay, at.by), dy: "0.36em", "text-anchor": "middle" }));
    }, (node, { number }) => say(node.lastChild, String(number)));
  }

  fly(from, to) {
    const at = this.line(from, to, 0);
    if (!at || this.isStill.matches || document.hidden) return;
    const dot = shape("circle", { r: 4 });
    this.flights.append(dot);
    this.flying.push({ dot, at, began: performance.now() });
    if (this.flying.length === 1) requestAnimationFrame((now) => this.move(now));
  }

  move(now) {
    this.flying = this.flying.filter(({ dot, at, began }) => {
      const part = Math.min(1, Math.max(0, (now - began) / FLIGHT));
      if (part === 1) {
        dot.remove();
        return false;
      }
      dot.setAttribute("cx", at.ax + (at.bx - at.ax) * part);
      dot.setAttribute("cy", at.ay + (at.by - at.ay) * part);
      return true;
    });
    if (this.flying.length > 0) requestAnimationFrame((now) => this.move(now));
  }
}

// With the mouse, or with the keyboard on what has the focus.
function onChoice(node, button, choose) {
  node.addEventListener("click", choose);
  button.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose();
  });
}

function mix(a, b) {
  return (a + (b - a) * 0.42).toFixed(1);
}

function arrow({ ax, ay, bx, by }) {
  const angle = Math.atan2(by - ay, bx - ax), long = 9;
  const side = (turn) =>
    `${(bx - long * Math.cos(angle + turn)).toFixed(1)} ${(by - long * Math.sin(angle + turn)).toFixed(1)}`;
  return `M${bx.toFixed(1)} ${by.toFixed(1)}L${side(0.42)}L${side(-0.42)}z`;
}

export function linkText(link) {
  const { from, to, state, since, waiting, buffered, nextTry, tls, by, fault } = link;
  const parts = [`Link from ${from} to ${to}: ${state}`];
  if (fault) parts.push(fault);
  if (since !== undefined) parts.push(`${state === DOWN ? "since" : "for"} ${duration(since)}`);
  if (waiting) parts.push(`${many(waiting, "client")} waiting`);
  if (buffered) parts.push(`${buffered} bytes buffered`);
  if (nextTry !== undefined && nextTry !== null) parts.push(`next try in ${duration(nextTry)}`);
  if (tls) parts.push("TLS");
  if (by) parts.push(`says ${by}`);
  return parts.join(", ");
}

function updateLink(node, link) {
  const busy = link.waiting > 0 || link.buffered > 0, text = linkText(link);
  const looks = `link ${link.state}${busy ? " busy" : ""} ${link.fault ?? ""}`.trimEnd();
  // To ask a thousand elements for what they say takes longer than to remember it.
  if (node.text === text && node.looks === looks) return;
  Object.assign(node, { text, looks });
  set(node, { class: looks, "aria-label": text, "data-link": `${link.from} ${link.to}`, "data-state": link.state });
  if (node.firstChild) say(node.firstChild, text);
}

function storeText({ connected, lost, buckets, owed, why }) {
  if (lost === 0) return connected ? "its store is up" : "its store is not connected";
  return `its store has lost ${lost} of ${buckets} buckets (${why}), and is owed ${many(owed, "client")}`;
}

export function serverText(name, model) {
  const { state, since, nextTry, heard, by, why } = model.stateOf(name);
  const parts = [`Server ${name}: ${state}`];
  if (name === model.me) parts.push("this page's server");
  if (since !== undefined) parts.push(`${state === DOWN ? "since" : "for"} ${duration(since)}`);
  if (nextTry !== undefined && nextTry !== null) parts.push(`next try in ${duration(nextTry)}`);
  if (heard) parts.push(`last heard of at ${clock(heard)}`);
  const report = model.reports.get(name);
  if (report && model.isLive) parts.push(`knows ${many(report.clients, "client")}`);
  if (report?.store) parts.push(storeText(report.store));
  const machine = model.machines.get(name);
  if (machine?.stale) parts.push(`lacks something newer about ${many(machine.stale, "client")}`);
  if (machine?.clock) parts.push(`its clock is ${machine.clock} s ${machine.clock > 0 ? "ahead" : "behind"}`);
  if (why && state !== UP) parts.push(why);
  if (by) parts.push(`says ${by}`);
  return parts.join(", ");
}

function updateNode(node, name, model, selected, small) {
  const { state, since } = model.stateOf(name);
  const isOwn = name === model.me;
  const [button, words] = node.children, [count, label, note] = words.children;
  const stale = model.machines.get(name)?.stale;
  const marks = `${isOwn ? " own" : ""}${name === selected ? " chosen" : ""}${stale ? " stale" : ""}`;
  set(node, { class: `server ${state} ${colour(model, name)}${marks}` });
  set(button, {
    "data-state": state, "aria-label": serverText(name, model), "aria-pressed": name === selected,
  });
  const report = model.isLive ? model.reports.get(name) : undefined;
  say(count, small ? "" : report ? short(report.clients) : state === UP ? "" : state === DOWN ? "×" : "?");
  say(label, small && name !== selected && !isOwn ? numbered(name, model.servers.size) : name);
  const up = stale ? `lacks ${stale}` : isOwn ? "this server" : "up";
  const notes = { [UP]: up, [DOWN]: `down ${duration(since)}`, [FROZEN]: "frozen" };
  say(note, small && name !== selected ? "" : notes[state] ?? "unknown");
}

// The number at the end of a server's name, if there is room for it.
function numbered(name, count) {
  const number = Number(name.match(/\d+$/)?.[0] ?? NaN);
  const isShown = count <= SMALL.numbered || number % SMALL.tenth === 0;
  return isShown && !Number.isNaN(number) ? String(number) : "";
}

function short(number) {
  if (number < 10000) return String(number);
  return number < 1e6 ? `${Math.round(number / 1000)}k` : `${(number / 1e6).toFixed(1)}M`;
}
