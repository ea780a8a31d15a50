// The page: events come in, the model takes them, and what has changed is drawn. This file knows where events come
// from; model.js and the files that draw do not.

import { Model, answerKey } from "./model.js";
import { HerdMap } from "./herd.js";
import { WorldMap, project, scaleBar } from "./world.js";
import * as lists from "./lists.js";
import { clock, element, forgetColours, showWorldTime } from "./draw.js";
import { complaint, toldBy } from "./forms.js";

// Only the page of a simulated herd has the file sim.js: tools with which one changes what happens there.
let simulation;

const id = (name) => document.getElementById(name);

let model = new Model();
let lost = "connecting"; // Why nothing comes, if nothing comes.
let cameAt = 0; // When something last came.
const QUIET = 4000; // ms; a server says each second how it is, so one that says nothing for longer is not well.
const chosen = { server: undefined, client: undefined, way: undefined, answer: undefined };

const herd = new HerdMap(id("herd"), (name) => {
  chosen.server = name;
  redraw();
});
const world = new WorldMap(id("world"), {
  chosen: ({ client, time }) => chooseClient(client, `${client} ${time}`),
  pointed: (latitude, longitude) => {
    const signed = (number) => `${number < 0 ? "-" : "+"}${Math.abs(number).toFixed(6)}`;
    id("iamat").elements.location.value = signed(latitude) + signed(longitude);
    world.setPin(latitude, longitude);
  },
});
scaleBar(world, id("scale"));

function chooseClient(client, way) {
  world.removePin();
  chosen.client = client;
  chosen.way = way;
  for (const form of ["iamat", "whatsat"]) id(form).elements.client.value = client;
  redraw();
}

// ---- Drawing: at most once for each frame, and not at all while nobody sees it.

let isDue = false;
let hasFitted = false;

// While a simulated herd runs, the lists and lines change less often than the messages between its servers: a person reads
// them no faster, and each change has the browser lay out the page anew.
const WAIT = { few: 100, crowd: 250 }; // ms

function redraw() {
  if (isDue) return;
  isDue = true;
  const wait = herd.isCrowd ? WAIT.crowd : WAIT.few;
  if (model.clock?.playing) setTimeout(() => requestAnimationFrame(draw), wait);
  else (document.hidden ? setTimeout : requestAnimationFrame)(draw, 200);
}

function draw() {
  isDue = false;
  const way = model.ways.get(chosen.way) ?? [...model.ways.values()].at(-1);
  const answer = model.answers.find(({ key }) => key === chosen.answer) ?? model.answers[0];
  // In a simulated herd, where messages are seen on their way, only the way that was asked for is drawn, too.
  herd.draw(model, chosen.server, model.run && !model.ways.has(chosen.way) ? undefined : way);
  world.draw(model, chosen.client, answer);
  if (!hasFitted && model.clients.size > 0 && !model.run) fitClients();
  lists.drawHeader(model, lost);
  lists.drawServer(model, chosen.server);
  lists.announceServer(model, chosen.server);
  lists.drawWay(model, way);
  lists.drawAnswer(answer, (shown) => world.showAnswer(shown));
  lists.drawCommands(model, (command) => {
    const told = command.answer && model.answers.find(({ key }) => key === command.answer);
    if (told) {
      chosen.answer = told.key;
      world.showAnswer(told);
    }
    chooseClient(command.client, command.way);
  });
  lists.drawClients(model, chosen.client, (client) => {
    const { latitude, longitude, time } = model.clients.get(client);
    world.showPlace(latitude, longitude);
    chooseClient(client, `${client} ${time}`);
  });
  lists.drawRefusals(model);
  lists.drawLinks(model);
  lists.drawHealth(model);
  lists.drawLog(model);
  simulation?.draw(model, chosen);
}

function fitClients() {
  hasFitted = true;
  world.fit([...model.clients.values()].map(({ latitude, longitude }) => project(latitude, longitude)));
}

id("fit").addEventListener("click", fitClients);
id("whole").addEventListener("click", () => world.whole());
id("nearer").addEventListener("click", () => world.zoom(0.6));
id("farther").addEventListener("click", () => world.zoom(1 / 0.6));
document.addEventListener("visibilitychange", redraw);

// ---- Events.

// A server that was started again shows up soon, and one that stays away does not fill the browser's log: the browser
// writes a line for each try.
const RETRY = { first: 300, last: 1500 }; // ms
let retryAfter = RETRY.first;

function connect() {
  const source = new EventSource("events");
  source.addEventListener("hello", ({ data }) => {
    // Everything is said anew, so what is shown is what the server knows, and nothing from before.
    const next = new Model();
    const { commands, refusals, answers, ways } = model;
    model = next;
    cameAt = performance.now();
    model.isLive = true;
    const events = JSON.parse(data);
    const isSimulated = events.some(({ kind, commands }) => kind === "herd" && commands);
    // A simulated herd says by itself what has happened lately, and may have gone back in time.
    if (!isSimulated) Object.assign(next, { commands, refusals, answers, ways });
    model.applyAll(events);
    lost = undefined;
    retryAfter = RETRY.first;
    if (isSimulated) {
      showWorldTime();
      simulate();
    }
    redraw();
  });
  source.addEventListener("events", ({ data }) => {
    const events = JSON.parse(data);
    cameAt = performance.now();
    [model.isLive, lost] = [true, undefined];
    model.applyAll(events);
    follow(events);
    simulation?.seen(model);
    redraw();
  });
  source.addEventListener("error", () => {
    model.isLive = false;
    lost = model.now ? `no connection: this is how it was at ${clock(model.now)}` : "no connection";
    source.close();
    setTimeout(connect, retryAfter);
    retryAfter = Math.min(retryAfter * 1.5, RETRY.last);
    redraw();
  });
}

// A process that is stopped, or a way to it that is broken, closes no connection: nothing comes, that is all. A simulated
// herd that stands still has nothing to say.
setInterval(() => {
  if (!model.isLive || model.run || performance.now() - cameAt < QUIET) return;
  model.isLive = false;
  lost = `nothing comes any more: this is how it was at ${clock(model.now)}`;
  redraw();
}, 1000);

let isSimulating = false, hasFailed = false;

function simulate() {
  simulation?.seen(model);
  // The process ended while the tools came. A browser does not ask again for a module that it did not get.
  if (hasFailed) return location.reload();
  if (isSimulating) return;
  isSimulating = true;
  import("./sim.js").then(({ begin }) => begin({ herd, world, chosen, redraw, forget })).then((begun) => {
    simulation = begun;
    simulation.seen(model);
    redraw();
  }).catch(() => (hasFailed = true));
}

// What this page has asked for itself is shown when it comes.
const awaited = { way: undefined, answer: undefined };

// Another run has begun: what was chosen in the one before is not in this one.
function forget() {
  Object.assign(chosen, { client: undefined, way: undefined, answer: undefined });
  Object.assign(awaited, { way: undefined, answer: undefined });
}

function follow(events) {
  for (const event of events) {
    if (event.kind === "heard" && event.from === "client" && awaited.way === event.client) {
      awaited.way = undefined;
      chosen.client = event.client;
      chosen.way = `${event.client} ${event.time}`;
    }
    if (event.kind === "answered" && awaited.answer === event.client) {
      awaited.answer = undefined;
      chosen.answer = answerKey(event);
      chosen.client = event.client;
      world.showAnswer(event);
    }
  }
}

// ---- The form: commands as any client gives them.

let askedLast = 0; // The number of the last command. The replies to earlier ones are not shown over it.

async function ask(form, line) {
  const reply = id("reply"), button = form.querySelector("button");
  const number = askedLast += 1;
  button.disabled = true;
  reply.replaceChildren(element("p", { class: "quiet" }, `${line} ...`));
  const nodes = [];
  let isGood = false;
  try {
    const headers = { "Content-Type": "text/plain" };
    const answer = await fetch("ask?error=200", { method: "POST", body: line, headers });
    const told = await toldBy(answer);
    const text = told.reply ?? told.error;
    isGood = told.reply !== undefined && !text.startsWith("? ");
    const [first, ...rest] = text.trimEnd().split("\n");
    nodes.push(element("code", { class: isGood ? "good" : "bad" }, first));
    if (!isGood && told.reply) nodes.push(element("p", {}, "The server refuses it; the reason is under Refusals."));
    if (rest.length > 0) nodes.push(element("details", {}, element("summary", {}, "The whole answer"),
      element("pre", { tabindex: 0 }, rest.join("\n"))));
  } catch {
    nodes.push(element("p", { class: "bad" }, "The server does not answer."));
  }
  button.disabled = false;
  if (number !== askedLast) return;
  reply.replaceChildren(...nodes);
  // What was refused will not come.
  if (!isGood) Object.assign(awaited, { way: undefined, answer: undefined });
}

function isWrong(form) {
  const why = complaint(form);
  if (why) id("reply").replaceChildren(element("p", { class: "bad" }, why));
  return why !== undefined;
}

id("iamat").addEventListener("submit", (event) => {
  event.preventDefault();
  if (isWrong(event.target)) return undefined;
  const { client, location } = event.target.elements;
  awaited.way = client.value.trim();
  id("whatsat").elements.client.value = awaited.way;
  if (simulation) return simulation.iamat(event.target);
  ask(event.target, `IAMAT ${awaited.way} ${location.value.trim()} ${(Date.now() / 1000).toFixed(6)}`);
});

id("whatsat").addEventListener("submit", (event) => {
  event.preventDefault();
  if (isWrong(event.target)) return undefined;
  const { client, radius, bound } = event.target.elements;
  awaited.answer = client.value.trim();
  if (simulation) return simulation.whatsat(event.target);
  ask(event.target, `WHATSAT ${awaited.answer} ${radius.value} ${bound.value}`);
});

// ---- Colours.

const THEMES = { system: "as the system has them", light: "light", dark: "dark" };

function theme(name) {
  const root = document.documentElement;
  if (name === "system") delete root.dataset.theme;
  else root.dataset.theme = name;
  id("theme").dataset.now = name;
  id("theme").setAttribute("aria-label", `Colours: ${THEMES[name]}`);
  id("theme").title = `Colours: ${THEMES[name]}`;
  try {
    localStorage.setItem("theme", name);
  } catch {
    // A browser may keep nothing: then the choice lasts as long as the page.
  }
  recolour();
}

id("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  theme(names[(names.indexOf(id("theme").dataset.now) + 1) % names.length]);
});

// What is drawn on a canvas does not take other colours by itself.
function recolour() {
  forgetColours();
  redraw();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);

let kept;
try {
  kept = localStorage.getItem("theme");
} catch {
  kept = undefined;
}
theme(THEMES[kept] ? kept : "system");
connect();
redraw();
