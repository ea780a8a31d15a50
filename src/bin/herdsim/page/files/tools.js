// The tools with which one changes a simulated herd: for a server, a link, the network, a client.

import { clock, element, keyed, say, set, shape } from "./draw.js";
import { complaint } from "./forms.js";
import { linkText } from "./herd.js";

const id = (name) => document.getElementById(name);

function offer(list, names) {
  const before = list.value;
  keyed(list, names, (name) => name, (name) => element("option", { value: name }, name));
  list.value = names.includes(before) ? before : names[0] ?? "";
}

export class Tools {
  constructor(simulation) {
    this.simulation = simulation;
    Object.assign(this, { herd: simulation.herd, chosen: simulation.chosen, redraw: simulation.redraw });
    this.extendForms();
    this.listen();
  }

  extendForms() {
    const iamat = id("iamat"), whatsat = id("whatsat");
    for (const form of [iamat, whatsat]) {
      form.querySelector("label").after(element("label", {}, "Server ", element("select", { name: "server" })));
    }
    const button = (name, text) => element("button", { type: "button", id: name }, text);
    iamat.append(button("twice", "Send twice"), button("wander", "Move on its own"));
    whatsat.elements.radius.step = 1;
    set(id("twice"), { title: "Says it is there, and half a delay later that it has moved on" });
  }

  listen() {
    const tools = (form, words, isWrong) => form.addEventListener("click", ({ target }) => {
      const act = target.dataset.do;
      if (!act) return;
      const why = isWrong?.(form.elements, act);
      if (why) this.simulation.tell(why, true);
      else this.ask([act, ...words(form.elements, act)].join(" "));
    });
    tools(id("server-tools"),
      ({ server, seconds }, act) => act === "clock" ? [server.value, seconds.value] : [server.value],
      ({ seconds }, act) => act === "clock" && !/^-?\d+$/.test(seconds.value)
        && "\"Seconds\" is a whole number: by how much the clock is moved.");
    tools(id("link-tools"), ({ from, to }) => [from.value, to.value]);
    id("server-tools").elements.server.addEventListener("change", ({ target }) => {
      this.chosen.server = target.value;
      this.redraw();
    });
    id("heal").addEventListener("click", () => this.ask("heal"));
    const { servers } = id("split-tools").elements;
    id("split").addEventListener("click", () => this.ask(`split ${servers.value.replaceAll(",", " ").trim()}`));
    id("draw").addEventListener("click", () => this.setDrawing(!this.isDrawing));
    id("twice").addEventListener("click", () => this.twice());
    id("wander").addEventListener("click", () => {
      const why = complaint({ elements: { client: id("iamat").elements.client } });
      if (why) return this.reply(why);
      const client = id("iamat").elements.client.value.trim();
      const isOn = this.model?.world.wanderers.includes(client);
      if (isOn) this.say(`rest ${client}`, `${client} stays where it is`);
      else this.say(`wander ${client}`, `${client} moves on its own`);
    });
    id("link-tools").elements.from.addEventListener("change", () => this.offerNeighbors());
    this.herd.selectLink = (from, to) => {
      const { elements } = id("link-tools");
      elements.from.value = from;
      this.offerNeighbors();
      elements.to.value = to;
      this.chosen.link = `${from} ${to}`;
      this.chosen.server = undefined;
      this.redraw();
    };
    this.listenToDrawing();
    for (const form of ["server-tools", "link-tools", "split-tools"]) {
      id(form).addEventListener("submit", (event) => event.preventDefault());
    }
  }

  // Another herd.
  begun({ servers }) {
    const names = servers.map(({ name }) => name).sort(new Intl.Collator("en", { numeric: true }).compare);
    for (const list of document.querySelectorAll("select[name=server], select[name=from]")) offer(list, names);
    this.neighbors = new Map(servers.map(({ name, neighbors }) => [name, neighbors]));
    this.offerNeighbors();
    this.herd.layout = undefined; // Its links were pictures until there were tools for them.
    this.chosen.link = undefined;
    if (this.chosen.server && !names.includes(this.chosen.server)) this.chosen.server = undefined;
  }

  // Only those have a link with the server that is chosen as "From".
  offerNeighbors() {
    const { from, to } = id("link-tools").elements;
    offer(to, this.neighbors.get(from.value) ?? []);
  }

  draw(model, chosen) {
    this.model = model;
    const { server } = id("server-tools").elements;
    if (chosen.server && chosen.server !== this.shown) server.value = chosen.server;
    this.shown = chosen.server;
    const machine = model.machines.get(server.value);
    const isRunning = machine?.state === "running", isFrozen = machine?.state === "frozen";
    const enabled = { kill: isRunning || isFrozen, crash: isRunning || isFrozen, restart: !isRunning && !isFrozen,
      freeze: isRunning, thaw: isFrozen, clock: true };
    for (const button of id("server-tools").querySelectorAll("button")) button.disabled = !enabled[button.dataset.do];
    for (const link of this.herd.links.children) {
      link.classList.toggle("chosen", link.dataset.link === chosen.link);
    }
    id("herd").classList.toggle("many", this.herd.isCrowd);
    if (!chosen.server) this.drawChosen(model, chosen);
    const isOn = model.world.wanderers.includes(id("iamat").elements.client.value.trim());
    say(id("wander"), isOn ? "Stay there" : "Move on its own");
  }

  // What stands below the herd while no server is chosen.
  drawChosen(model, { link }) {
    const chosen = link && model.links().find(({ from, to }) => `${from} ${to}` === link);
    const text = chosen ? linkText(chosen) : "Choose a server, a link or a message.";
    keyed(id("server"), [text], () => "chosen", () => element("p"), (node) => say(node, text));
  }

  ask(line) {
    return this.simulation.ask(line);
  }

  // Has a client do something, and says beside the forms what came of it.
  async say(line, done) {
    const at = this.model?.clock.at, why = await this.ask(line);
    const isPlaying = this.model?.clock.playing;
    this.reply(why, isPlaying ? `${done}.` : `${done}, at ${clock(at)}. Play to see what becomes of it.`);
  }

  reply(why, done) {
    id("reply").replaceChildren(element("p", { class: why ? "bad" : "good" }, why ?? done));
  }

  iamat({ elements: { client, server, location } }) {
    const name = client.value.trim();
    return this.say(`iamat ${name} ${server.value} ${location.value.trim()}`,
      `${name} tells ${server.value} where it is`);
  }

  whatsat({ elements: { client, server, radius, bound } }) {
    const name = client.value.trim();
    return this.say(`whatsat ${name} ${server.value} ${radius.value} ${bound.value}`,
      `${name} asks ${server.value} what is near`);
  }

  twice() {
    const why = complaint(id("iamat"));
    if (why) return this.reply(why);
    const { client, server, location } = id("iamat").elements;
    const [, latitude, longitude] = location.value.trim().match(/^([+-][\d.]+)([+-][\d.]+)$/) ?? [];
    if (!latitude) return this.iamat(id("iamat"));
    const moved = (text, most) => {
      const number = Number(text), next = number + (number + 0.4 > most ? -0.4 : 0.4);
      return `${next < 0 ? "-" : "+"}${Math.abs(next).toFixed(6)}`;
    };
    const second = moved(latitude, 90) + moved(longitude, 180);
    const name = client.value.trim();
    return this.say(`twice ${name} ${server.value} ${location.value.trim()} ${second}`,
      `${name} tells ${server.value} where it is, and soon after that it has moved`);
  }

  // ---- A split that is drawn: a line, and the servers on one side of it.

  setDrawing(isOn) {
    this.isDrawing = isOn;
    set(id("draw"), { "aria-pressed": isOn });
    document.body.classList.toggle("drawing", isOn);
    const what = "Draw a line through the herd: it cuts all links that cross it. Escape ends this.";
    this.simulation.tell(isOn ? what : "");
    this.knife?.remove();
  }

  listenToDrawing() {
    const svg = id("herd");
    let from;
    const at = ({ clientX, clientY }) => new DOMPoint(clientX, clientY).matrixTransform(svg.getScreenCTM().inverse());
    svg.addEventListener("pointerdown", (event) => {
      if (!this.isDrawing) return;
      event.preventDefault();
      from = at(event);
      svg.setPointerCapture(event.pointerId);
      this.knife = shape("path", { class: "knife" });
      svg.append(this.knife);
    });
    svg.addEventListener("pointermove", (event) => {
      if (!from || !this.isDrawing) return;
      const to = at(event), long = Math.hypot(to.x - from.x, to.y - from.y) || 1;
      const x = ((to.x - from.x) / long) * 900, y = ((to.y - from.y) / long) * 900;
      set(this.knife, { d: `M${from.x - x} ${from.y - y}L${from.x + x} ${from.y + y}` });
      const side = new Set(this.sideOf(from, to));
      for (const button of this.herd.nodes.querySelectorAll("[data-server]")) {
        button.parentNode.classList.toggle("aside", side.has(button.dataset.server));
      }
    });
    svg.addEventListener("pointerup", (event) => {
      if (!from) return;
      const side = this.isDrawing ? this.sideOf(from, at(event)) : [];
      from = undefined;
      for (const node of this.herd.nodes.children) node.classList.remove("aside");
      this.setDrawing(false);
      if (side.length > 0 && side.length < this.herd.places.size) this.ask(`split ${side.join(" ")}`);
    });
  }

  // The servers on the smaller side of the line through two points.
  sideOf(from, to) {
    if (Math.hypot(to.x - from.x, to.y - from.y) < 8) return [];
    const sides = [[], []];
    for (const [name, { x, y }] of this.herd.places) {
      const isLeft = (to.x - from.x) * (y - from.y) - (to.y - from.y) * (x - from.x) < 0;
      sides[isLeft ? 0 : 1].push(name);
    }
    return sides[0].length <= sides[1].length ? sides[0] : sides[1];
  }
}
