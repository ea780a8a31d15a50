// The page of a simulated herd: how one looks at a run, and what one does to it. main.js loads this file if the herd says
// that it can be asked for more than IAMAT and WHATSAT.

import { element, keyed, many, say, set } from "./draw.js";
import { Flights } from "./flights.js";
import { toldBy } from "./forms.js";
import { Tools } from "./tools.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 100, 300, 1000];
// A browser refuses to change the address more often than it likes. While a run plays, it changes at each look; while it
// stands still, with each thing that a person does, of which there may be some at once.
const ADDRESS = { playing: 1500, still: 400, most: 20 }; // ms, ms, changes
const SECOND = 1, MINUTE = 60; // What an arrow key, and page up or down, move the time by.
const MOST_ACTS = 200;

const id = (name) => document.getElementById(name);

export async function begin(page) {
  const style = element("link", { rel: "stylesheet", href: "sim.css" });
  const loaded = new Promise((done, fail) => {
    style.addEventListener("load", done);
    style.addEventListener("error", fail);
  });
  document.head.append(style);
  const answer = await fetch("sim.html");
  if (!answer.ok) throw new Error(`sim.html: ${answer.status}`);
  const text = await answer.text();
  await loaded;
  place(text);
  return new Simulation(page);
}

// Puts the sections of sim.html among those of the page.
function place(text) {
  const parsed = new DOMParser().parseFromString(text, "text/html");
  document.body.classList.add("simulated");
  for (const section of [...parsed.body.children]) {
    const { before, after } = section.dataset;
    const neighbor = document.querySelector(`main > section.${before ?? after}`);
    if (before) neighbor.before(section);
    else neighbor.after(section);
  }
  // A simulated server is not alone in its process, and has no log.
  for (const section of ["health", "log"]) id(section).closest("section").hidden = true;
  document.querySelector("main > section.herd > h2").textContent = "Herd";
  const legend = document.querySelector(".legend");
  const key = (kind, text) => legend.append(element("span", { class: `key ${kind}` }, text));
  for (const fault of ["cut", "slow", "lossy"]) key(fault, fault);
  key("machine frozen", "frozen server");
  key("machine stale", "server that lacks something newer");
  const messages = { newest: "newest location", older: "older location", other: "other line", reply: "client" };
  for (const [kind, text] of Object.entries(messages)) key(`message ${kind}`, text);
}

class Simulation {
  constructor({ herd, world, chosen, redraw, forget }) {
    Object.assign(this, { herd, world, chosen, redraw, forget });
    this.flights = new Flights(herd, redraw);
    this.tools = new Tools(this);
    this.addressAt = 0; // When it last changed, and how many changes may come at once.
    this.changes = ADDRESS.most;
    this.isAddressWrong = false; // The address bar has an address that cannot be loaded, for a person to correct.
    this.listen();
    if (location.hash.length > 1) this.load(location.hash);
    addEventListener("hashchange", () => {
      if (location.hash !== this.address) return this.load(location.hash);
      this.isAddressWrong = false;
    });
  }

  // Asks for something, a line. Resolves to why it was not done, or to `undefined` if it was.
  async ask(line) {
    let why;
    try {
      const headers = { "Content-Type": "text/plain" };
      why = (await toldBy(await fetch("do?error=200", { method: "POST", body: line, headers }))).error;
    } catch {
      why = "The simulation does not answer.";
    }
    this.tell(why ?? "", why !== undefined);
    // Who goes on with the run that is there has given up the wrong address.
    if (why === undefined) this.isAddressWrong = false;
    return why;
  }

  tell(text, isBad = false) {
    say(id("told"), text);
    set(id("told"), { class: isBad ? "hint bad" : "hint" });
  }

  async load(address) {
    // Until the new run comes, the address bar stays as it is.
    this.isLoading = true;
    const isFromBar = address === location.hash;
    const why = await this.ask(`load ${address}`);
    if (isFromBar) this.isAddressWrong = why !== undefined;
    this.isLoading = false;
    this.redraw();
    return why;
  }

  // The process is another one, and has the run with which it began. This page still has its own.
  async loadAgain() {
    const address = this.isAddressWrong ? location.hash : this.latest ?? location.hash;
    if (address.length < 2) return;
    const why = await this.load(address);
    if (why === undefined) this.tell("The simulation was started anew, and has loaded this run again.");
  }

  async copy() {
    if (this.latest) this.showAddress({ address: this.latest }, false);
    try {
      await navigator.clipboard.writeText(location.href);
      this.tell("The address is copied.");
    } catch {
      this.tell("This browser does not let the page copy: take the address from the address bar.", true);
    }
  }

  listen() {
    const play = () => this.ask(this.model.clock.playing ? "pause" : "play");
    id("play").addEventListener("click", play);
    for (const name of ["event", "turn", "back"]) id(name).addEventListener("click", () => this.ask(name));
    for (const speed of SPEEDS) id("speed").append(element("option", { value: speed }, `${speed}×`));
    id("speed").addEventListener("change", () => this.ask(`speed ${id("speed").value}`));
    id("rule").addEventListener("change", ({ target }) => this.ask(`rule ${target.value}`));
    id("time").addEventListener("input", () => this.go(Number(id("time").value)));
    id("time").addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -SECOND, ArrowDown: -SECOND, ArrowRight: SECOND, ArrowUp: SECOND,
        PageDown: -MINUTE, PageUp: MINUTE };
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      const { max } = id("time"), now = typeof this.wanted === "number" ? this.wanted : this.model.clock.at;
      this.go(Math.min(Math.max(0, now + step), Number(max)));
    });
    id("second").addEventListener("change", ({ target }) => {
      if (target.value !== "" && target.validity.valid) this.go(Number(target.value));
    });
    id("copy").addEventListener("click", () => this.copy());
    id("settings").addEventListener("submit", (event) => {
      event.preventDefault();
      const fields = [...new FormData(event.target)].map(([name, value]) => `${name}=${value}`);
      this.load(`#${fields.join("&")}`);
    });
    document.addEventListener("keydown", (event) => {
      const { tagName, type, role } = event.target;
      const isTyping = tagName === "SELECT" || (tagName === "INPUT" && !["range", "radio", "checkbox"].includes(type));
      // Space presses what has the focus.
      const isPressing = event.key === " " && (["BUTTON", "SUMMARY", "INPUT"].includes(tagName) || role === "button");
      if (event.key === "Escape" && this.tools.isDrawing) return this.tools.setDrawing(false);
      if (!id("keys").checked || isTyping || isPressing || event.ctrlKey || event.metaKey || event.altKey) return;
      const keys = { " ": play, ".": () => this.ask("event"), ",": () => this.ask("back"), t: () => this.ask("turn") };
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
  }

  // Of many wishes to go somewhere, as a slider makes them, the last one counts. `place` is a time in seconds, or a
  // place as an address has it, which may lie between two events of one time.
  async go(place) {
    this.wanted = place;
    if (this.isGoing) return;
    this.isGoing = true;
    while (this.wanted !== undefined) {
      const to = this.wanted;
      this.wanted = undefined;
      await this.ask(`go ${typeof to === "number" ? to.toFixed(3) : to}`);
    }
    this.isGoing = false;
  }

  // The server says of each run whether it is a lesson, so the text cannot stand beside another run.
  showLesson(lesson) {
    id("lesson").hidden = !lesson;
    say(id("lesson"), lesson?.text ?? "");
    for (const button of id("lessons").children) set(button, { "aria-pressed": button.textContent === lesson?.title });
  }

  // New events have come.
  seen(model) {
    if (model.run !== this.model?.run) this.begun(model);
    this.model = model;
    this.flights.seen(model);
  }

  // Another run, or another time of this one.
  begun({ run }) {
    if (!run) return;
    keyed(id("lessons"), run.lessons, ({ title }) => title, (lesson) => {
      const button = element("button", { type: "button", "aria-pressed": false }, lesson.title);
      button.addEventListener("click", async () => {
        if (await this.load(`#${lesson.address}`) === undefined) await this.ask(`speed ${lesson.speed}`);
      });
      return button;
    });
    this.showLesson(run.lessons.find(({ title }) => title === run.lesson));
    const isOther = this.process !== undefined && this.process !== run.process;
    this.process = run.process;
    if (isOther) this.loadAgain();
    const key = JSON.stringify(run.settings);
    if (key === this.settings) return;
    this.settings = key;
    this.forget();
    id("reply").replaceChildren();
    this.flights.open(undefined);
    const { elements } = id("settings");
    for (const [name, value] of Object.entries(run.settings)) if (elements[name]) put(elements[name], value);
    this.tools.begun(run);
  }

  draw(model, chosen) {
    const { clock, world } = model;
    if (!clock || !world) return;
    say(id("play"), clock.playing ? "Pause" : "Play");
    document.body.classList.toggle("playing", clock.playing);
    say(id("now"), clock.travelling ? `${clock.at.toFixed(0)} s ...` : `${clock.at.toFixed(3)} s`);
    set(id("now"), { class: clock.travelling ? "travelling" : null });
    const isSlow = clock.playing && clock.real_speed < clock.speed * 0.8;
    set(id("now"), { title: `event ${clock.events}, turn ${clock.turns}` });
    if (document.activeElement !== id("speed")) put(id("speed"), clock.speed, `${clock.speed}×`);
    set(id("speed"), { title: isSlow ? `this machine manages ${clock.real_speed.toFixed(1)}×` : null });
    const slider = id("time");
    const end = Math.max(1, clock.seen_until);
    set(slider, { max: end.toFixed(3), "aria-valuetext": `${clock.at.toFixed(3)} s` });
    if (this.wanted === undefined && !this.isGoing) slider.value = clock.at.toFixed(3);
    keyed(id("ticks"), world.clicks.map(([at, text], number) => ({ at, text, number })), ({ number, at }) =>
      `${number} ${at}`, () => element("i"), (tick, { at, text, number }) => {
      tick.style.left = `${((at / end) * 100).toFixed(2)}%`;
      set(tick, { title: `${at.toFixed(3)} s: ${text}`, class: number < world.done ? null : "later" });
    });
    for (const input of id("rule").querySelectorAll("input")) input.checked = input.value === world.rule;
    drawCounters(model);
    drawInvariants(world.invariants);
    this.drawActs(world);
    this.tools.draw(model, chosen);
    this.flights.draw(model);
    this.showAddress(world, clock.playing);
  }

  drawActs({ clicks, done }) {
    const acts = clicks.map(([at, text, place], number) => ({ at, text, place, number })).slice(-MOST_ACTS);
    const earlier = clicks.length - acts.length;
    keyed(id("acts"), acts, ({ number, place, text }) => `${number} ${place} ${text}`, ({ at, text, place }) => {
      const button = element("button", { type: "button", class: "link", title: "Go there" }, text);
      button.addEventListener("click", () => this.go(place));
      return element("li", {}, element("span", { class: "time" }, `${at.toFixed(3)} s`), " ", button);
    }, (item, { number }) => set(item, { class: number < done ? null : "later" }));
    if (acts.length === 0) id("acts").append(element("li", { class: "quiet" }, "Nothing yet."));
    if (earlier > 0) id("acts").prepend(element("li", { class: "quiet" }, `${many(earlier, "earlier act")}: all in the address`));
  }

  // Shows the address of the run now, or as soon as the browser may be asked for that.
  showAddress({ address }, isPlaying) {
    if (this.isLoading) return;
    this.latest = address;
    if (this.isAddressWrong || address === this.address) return;
    const now = performance.now(), since = now - this.addressAt;
    const changes = Math.min(ADDRESS.most, this.changes + since / ADDRESS.still);
    const wait = isPlaying ? ADDRESS.playing - since : (1 - changes) * ADDRESS.still;
    if (wait > 0) {
      this.addressLater ??= setTimeout(() => {
        this.addressLater = undefined;
        this.showAddress({ address: this.latest }, this.model.clock.playing);
      }, wait);
      return;
    }
    [this.addressAt, this.changes] = [now, Math.max(0, changes - 1)];
    try {
      history.replaceState(null, "", address);
      this.address = address;
    } catch {
      // The browser refuses it all the same. The next picture tries again.
    }
  }

  iamat(form) {
    return this.tools.iamat(form);
  }

  whatsat(form) {
    return this.tools.whatsat(form);
  }
}

// Chooses a value that may not be among those offered: an address, or another page, can ask for any.
function put(field, value, text = String(value)) {
  const isOffered = field.tagName !== "SELECT" || [...field.options].some((option) => option.value === String(value));
  if (!isOffered) field.append(element("option", { value }, text));
  field.value = String(value);
}

function drawCounters(model) {
  const { told, bound, versions, older, stale, storms, storms_seen: seen, asked, replies } = model.world;
  const between = [...model.messages.values()].filter(({ arrives, client }) => !client && arrives > model.flightsAt);
  const rows = [
    ["AT lines", `${told} of at most ${bound}`, told > bound],
    ["Locations", `${versions} new, ${older} came older`],
    ["Stale servers", stale === 0 ? "none" : String(stale), stale > 0 && "some"],
    ["Storms", storms > 0 ? `${storms} now` : seen > 0 ? `none now, ${seen} before` : "none", storms > 0],
    ["On their way", many(between.length, "message")],
    ["Commands", `${asked}, ${replies} replies`],
  ];
  keyed(id("counters"), rows, ([name]) => name, ([name]) => element("div", {}, element("dt", {}, name), element("dd")),
    (row, [, value, isBad]) => {
      say(row.lastChild, value);
      set(row, { class: isBad === true ? "bad" : isBad || null });
    });
  const part = bound === 0 ? 0 : Math.min(100, Math.round((told / bound) * 100));
  set(id("bound"), { "aria-valuenow": part, "aria-valuetext": `${told} of at most ${bound}`,
    class: told > bound ? "over" : null });
  id("bound").firstChild.style.width = `${part}%`;
}

const STATES = { holds: "holds", open: "not yet", broken: "broken" };

function drawInvariants(invariants) {
  const make = () => element("li", {}, element("b"), element("span"), element("small"));
  keyed(id("invariants"), invariants, ({ name }) => name, make, (item, invariant) => {
    const { name, state, what, may_be_open: mayBeOpen } = invariant, [title, word, why] = item.children;
    set(item, { "data-state": state, class: mayBeOpen ? "may-be-open" : null });
    say(title, name);
    say(word, STATES[state]);
    say(why, what);
    set(why, { title: what || null });
  });
}
