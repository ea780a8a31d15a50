// Messages on their way: each is drawn where it is, and can be opened.
//
// Events come every 50 ms. What is drawn runs one step behind, so that it moves evenly from one to the next. A run that
// stands still is drawn exactly.

import { Sheet, circle, clock, colourNamed, duration, element, keyed, many, say } from "./draw.js";
import { SIZE } from "./herd.js";
import { decision } from "./lists.js";

const MOST_LISTED = 14;
// How a message is drawn: its radius, which is less among many servers, and the name of its colour.
const LOOKS = {
  newest: { radius: 4.5, colour: "way" }, older: { radius: 4.5, colour: "c3" }, other: { radius: 2.5, colour: "gone" },
  reply: { radius: 3, colour: "accent" },
};
const OPENED = 9, IN_CROWD = 0.72;

const id = (name) => document.getElementById(name);

export class Flights {
  constructor(herd, redraw) {
    this.herd = herd;
    this.redraw = redraw;
    this.sheet = new Sheet("messages", () => this.begin());
    const both = element("div", { class: "both" });
    id("herd").before(both);
    both.append(id("herd"), this.sheet.canvas);
    this.before = this.last = { at: 0, real: 0 };
    this.opened = undefined;
    this.drawn = [];
    id("herd").addEventListener("click", (event) => this.clicked(event), true);
  }

  seen(model) {
    this.model = model;
    const at = model.flightsAt ?? 0;
    if (!model.clock || at === this.last.at) return this.begin();
    const isOnward = at > this.last.at && model.clock.playing;
    this.before = isOnward ? this.last : { at, real: 0 };
    this.last = { at, real: performance.now() };
    this.begin();
  }

  begin() {
    if (this.isRunning) return;
    this.isRunning = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  // The time that is drawn.
  time(now) {
    const { before, last } = this;
    if (!this.model.clock?.playing || before.real === 0) return last.at;
    const step = Math.max(30, last.real - before.real);
    return before.at + (last.at - before.at) * Math.min(1, (now - last.real) / step);
  }

  frame(now) {
    this.isRunning = false;
    if (!this.herd.places || this.sheet.width === 0) return;
    const at = this.time(now), dots = new Map(Object.keys(LOOKS).map((kind) => [kind, []]));
    this.drawn = [];
    for (const message of this.model.messages.values()) {
      const { sent, arrives } = message;
      if (sent > at || arrives < at || (arrives === at && this.model.clock.playing)) continue;
      const place = this.place(message, (at - sent) / (arrives - sent || 1));
      if (!place) continue;
      message.kind ??= kindOf(message);
      dots.get(message.kind === "at" ? this.age(message) : message.kind).push(place);
      this.drawn.push({ message, ...place });
    }
    this.paint(dots);
    if (this.model.clock.playing && !document.hidden) this.begin();
  }

  paint(dots) {
    const pen = this.sheet.clear(SIZE), size = this.herd.isCrowd ? IN_CROWD : 1;
    for (const [kind, places] of dots) {
      const { radius, colour } = LOOKS[kind];
      pen.fillStyle = colourNamed(colour);
      for (const place of places) {
        circle(pen, place, radius * size);
        pen.fill();
      }
    }
    const opened = this.drawn.find(({ message }) => message.id === this.opened?.id);
    if (!opened) return;
    pen.strokeStyle = colourNamed("ink");
    pen.lineWidth = 2;
    circle(pen, opened, OPENED);
    pen.stroke();
  }

  // Where a message is. Clients have no place in the herd: what they say comes from outside.
  place({ from, to, client }, part) {
    if (!client) {
      const at = this.herd.line(from, to, 0);
      return at && { x: at.ax + (at.bx - at.ax) * part, y: at.ay + (at.by - at.ay) * part };
    }
    const server = this.herd.places.get(from) ?? this.herd.places.get(to);
    if (!server) return undefined;
    const isFrom = this.herd.places.has(from);
    const far = this.herd.radius + 40 * (isFrom ? part : 1 - part);
    return { x: server.x + Math.cos(server.angle) * far, y: server.y + Math.sin(server.angle) * far };
  }

  // Whether an AT has the newest location of its client that is known.
  age(message) {
    message.lines ??= linesOf(message);
    const isOld = message.lines.every(({ client, time }) => this.model.newest.get(client) > Number(time));
    return isOld ? "older" : "newest";
  }

  clicked(event) {
    if (document.body.classList.contains("drawing")) return;
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(id("herd").getScreenCTM().inverse());
    let best;
    for (const { message, x, y } of this.drawn) {
      const far = Math.hypot(x - point.x, y - point.y);
      if (far < 11 && far < (best?.far ?? Infinity)) best = { message, far };
    }
    if (!best) return;
    event.stopPropagation();
    this.open(best.message);
  }

  open(message) {
    this.opened = message;
    this.begin();
    this.redraw();
  }

  draw(model) {
    this.drawList(model);
    this.drawOpened(model);
    this.begin();
  }

  drawList(model) {
    const now = performance.now();
    // While a run goes on, a list that changes at every look could not be read.
    if (model.clock.playing && now - (this.listedAt ?? 0) < 500) return;
    this.listedAt = now;
    const flying = [...model.messages.values()].filter(({ arrives }) => arrives > model.flightsAt);
    flying.sort((a, b) => a.arrives - b.arrives || a.id.localeCompare(b.id));
    const shown = flying.slice(0, MOST_LISTED);
    keyed(id("flying"), shown, (message) => message.id, (message) => {
      const button = element("button", { type: "button", class: "link" }, titleOf(message));
      button.addEventListener("click", () => this.open(message));
      return element("li", {}, button, " ", element("span", { class: "time" }));
    }, (item, { arrives }) => say(item.lastChild, `arrives at ${clock(arrives)}`));
    const more = flying.length - shown.length + model.more;
    if (flying.length === 0) id("flying").append(element("li", { class: "quiet" }, "Nothing."));
    else if (more > 0) id("flying").append(element("li", { class: "quiet" }, `and ${many(more, "other")}`));
  }

  drawOpened(model) {
    const panel = id("message"), message = this.opened;
    // Before it was sent, nobody knows of it.
    if (!message || message.sent > model.clock.at) {
      keyed(panel, [1], () => "none", () => element("p", { class: "quiet" },
        "Choose a message on its way: its bytes and what its receiver decides stand here."));
      return;
    }
    const { from, to, sent, arrives, bytes, text } = message;
    const hasArrived = arrives <= model.clock.at;
    const how = hasArrived ? `arrived at ${clock(arrives)}` : `arrives at ${clock(arrives)}`;
    const head = `${from} → ${to}: sent at ${clock(sent)}, ${how}, ${duration(arrives - sent)} on its way, ${bytes} bytes`;
    keyed(panel, [message], () => `${message.id} ${sent}`, () => element("div", {}, element("p"),
      element("pre", { class: "bytes", tabindex: 0, role: "region", "aria-label": "Bytes of the message" },
        text === null ? "(encrypted)" : text), element("ul", { class: "plain decisions" })));
    const [title, , list] = panel.firstChild.children;
    say(title, head);
    message.lines ??= linesOf(message);
    keyed(list, message.lines.map((line, number) => ({ ...line, number })), ({ number }) => String(number),
      () => element("li", {}), (item, line) => say(item, decisionOn(model, message, line, hasArrived)));
  }
}

function titleOf({ from, to, text, bytes }) {
  const line = (text ?? "(encrypted)").split("\n")[0];
  const [word, , , client] = line.split(" ");
  return `${word === "AT" ? `AT ${client}` : line.slice(0, 24) || many(bytes, "byte")} from ${from} to ${to}`;
}

function kindOf({ text, client }) {
  if (client) return "reply";
  return text?.startsWith("AT ") ? "at" : "other";
}

// The whole AT lines among the bytes of a message.
function linesOf({ text }) {
  const lines = (text ?? "").split("\n").filter((line) => line.startsWith("AT "));
  return lines.map((line) => line.split(" ")).filter((words) => words.length === 6)
    .map(([, server, , client, , time]) => ({ server, client, time }));
}

function decisionOn(model, { from, to, client: isClients, arrives }, { client, time }, hasArrived) {
  if (isClients) return `${client}: the reply to what it said`;
  const made = model.decisions.get(`${from} ${to} ${client} ${time}`);
  // An earlier line may have said the same.
  if (made && made.at >= arrives - 1e-9) return `${client} of ${time}: ${decision(made)}`;
  if (!hasArrived) return `${client} of ${time}: on its way; ${to} will decide at ${clock(arrives)}`;
  return `${client} of ${time}: nobody has decided, for ${to} has not read it or is gone`;
}
