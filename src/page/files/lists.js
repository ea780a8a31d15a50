// Everything on the page that is text: lists, tables, numbers.

import { UP, DOWN } from "./model.js";
import { bytes, clock, colour, duration, element, keyed, many, say, set } from "./draw.js";
import { serverText } from "./herd.js";

// The maximum number of other servers whose pages stand in the header. The others' stand with the chosen server.
const MOST_PAGES = 12;

// The maximum number of clients that stand by their names: those that changed last.
const MOST_NAMES = 50;

// The maximum number of rows of the table of links.
const MOST_LINKS = 200;

const { compare } = new Intl.Collator("en", { numeric: true });

const id = (name) => document.getElementById(name);

export function drawServer(model, selected) {
  const name = model.servers.has(selected) ? selected : model.me;
  if (!name) return;
  const server = model.servers.get(name), report = model.isLive ? model.reports.get(name) : undefined;
  const lines = [serverText(name, model).replace(/^Server /, "")];
  if (server?.address) lines.push(`listens on ${server.address}`);
  if (report) {
    const { iamat, whatsat, at_news, at_known, told } = report.counters;
    lines.push(`${iamat} IAMAT, ${whatsat} WHATSAT answered`);
    lines.push(`${at_news} AT were news, ${at_known} were known, ${told} sent`);
  }
  const rows = lines.map((text, number) => ({ text, key: String(number) }));
  const page = name !== model.me && fromHere(server?.page);
  if (page) rows.push({ key: `page ${name}`, page });
  keyed(id("server"), rows, ({ key }) => key, ({ page }) => page
    ? element("p", {}, element("a", { href: page }, `the page of ${name}`)) : element("p"),
  (node, { text }) => text && say(node, text));
}

// A screen reader hears of the chosen server when it becomes another one, or its state does: not of each number.
export function announceServer(model, selected) {
  if (model.servers.has(selected)) say(id("server-state"), `${selected}: ${model.stateOf(selected).state}`);
}

// Names of clients as buttons: a dot on a map cannot be found by its name, nor reached by a keyboard. They stand in the
// order of their names, so that a list that changes can be read and pressed.
export function drawClients(model, chosen, choose) {
  const last = [...model.clients.values()].slice(-MOST_NAMES).sort((a, b) => compare(a.client, b.client));
  keyed(id("clients"), last, ({ client }) => client, ({ client }) => {
    const button = element("button", { type: "button", class: "name" }, client);
    button.addEventListener("click", () => choose(client));
    return element("li", {}, button);
  }, (item, { client, server, latitude, longitude }) => {
    const where = `at ${latitude.toFixed(4)}, ${longitude.toFixed(4)}, heard by ${server}`;
    set(item, { class: colour(model, server) });
    set(item.firstChild, { title: where, "aria-pressed": client === chosen });
  });
  if (last.length === 0) empty(id("clients"), "li", "No client is known.");
}

export function drawLinks(model) {
  const own = (link) => link.state !== "unknown" ? 0 : 1;
  const all = model.links().sort((a, b) => own(a) - own(b)), links = all.slice(0, MOST_LINKS);
  keyed(id("links"), links, ({ from, to }) => `${from} ${to}`, ({ from, to }) =>
    element("tr", {}, element("th", { scope: "row" }, `${from} → ${to}`), element("td"), element("td"), element("td"),
      element("td")), (row, { state, since, waiting, buffered, nextTry, tls }) => {
    const [, now, long, wait, next] = row.children;
    set(row, { class: state });
    say(now, `${state}${tls ? ", TLS" : ""}`);
    say(long, duration(since));
    say(wait, waiting === undefined ? "" : `${waiting}${buffered ? ` (${bytes(buffered)})` : ""}`);
    say(next, nextTry === undefined || nextTry === null ? "" : `in ${duration(nextTry)}`);
  });
  if (all.length > links.length) {
    const more = `and ${all.length - links.length} more: choose one on the map`;
    id("links").append(element("tr", {}, element("td", { colspan: 5, class: "quiet" }, more)));
  }
}

const OUTCOMES = {
  newer: "taken", older_taken: "taken, though older", same: "known already", older: "older than what is known",
  no_room: "no room", too_old: "too old", beyond_share: "beyond its address's share",
  answered: "answered", failed: "the Places service failed", not_asked: "the Places service was not asked",
};

export const outcome = (name) => OUTCOMES[name] ?? name;

// Gives each of these, newest first, a key that stays the same when all is said anew: what it says, and how many older
// ones say the same. Two may be alike to the letter.
function withKeys(items, words) {
  const seen = new Map();
  return items.toReversed().map((item) => {
    const text = words(item), before = seen.get(text) ?? 0;
    seen.set(text, before + 1);
    return { ...item, key: `${before} ${text}` };
  }).reverse();
}

export function drawCommands(model, choose) {
  const words = ({ at, by, word, client, outcome: name, seconds, way, answer }) =>
    `${at} ${by} ${word} ${name} ${seconds} ${way ?? answer} ${client}`;
  keyed(id("commands"), withKeys(model.commands, words), ({ key }) => key, (command) => {
    const button = element("button", { type: "button", class: "link" }, command.client);
    button.addEventListener("click", () => choose(command));
    return element("tr", {}, element("td", { class: "time" }, clock(command.at)), element("td", {}, command.word),
      element("td", {}, button), element("td", {}, outcomeOf(command)));
  });
}

function outcomeOf({ outcome: name, seconds }) {
  return seconds === undefined ? outcome(name) : `${outcome(name)} in ${duration(seconds)}`;
}

export function drawRefusals(model) {
  const words = ({ at, by, peer, why, line }) => `${at} ${by} ${peer} ${why} ${line}`;
  keyed(id("refusals"), withKeys(model.refusals, words), ({ key }) => key, ({ at, line, peer, why }) =>
    element("li", {}, element("span", { class: "time" }, clock(at)), " ", element("code", {}, line), " ",
      element("span", { class: "why" }, why), " ", element("span", { class: "quiet" }, peer ? `from ${peer}` : "")));
  if (model.refusals.length === 0) empty(id("refusals"), "li", "Nothing was refused since this page was opened.");
}

// What stands in a list that has nothing.
function empty(list, name, text) {
  if (!list.firstChild) list.append(element(name, { class: "quiet" }, text));
}

const VERDICTS = {
  newer: "newer: taken", same: "known already: the flood ends here", older: "older: answered with the newer",
  no_room: "no room for it", too_old: "too old", beyond_share: "beyond its share",
};

// What a server has decided about a location, in words. `held` is the time of the location that this one has replaced.
export function decision({ verdict, held }) {
  if (verdict === "older_taken") return `older than what it held, of ${held}: taken all the same`;
  return VERDICTS[verdict] ?? verdict;
}

export function drawWay(model, way) {
  say(id("way-of"), way ? `${way.client}, its clock ${way.time}` : "No location has come since this page was opened.");
  const steps = (way?.steps ?? []).map((step, number) => ({ ...step, number }));
  const first = steps.find(({ sure, at }) => sure && at)?.at;
  keyed(id("way"), steps, ({ number, from, to }) => `${way.key} ${number} ${from} ${to}`, (step) => {
    const { from, to, at, sure } = step;
    const after = sure && first && at > first ? `+${duration(at - first)}` : clock(at);
    const edge = element("b", { class: colour(model, to) }, `${from} → ${to}`);
    return element("li", { class: sure ? null : "unsure" }, edge, ` ${whatHappened(step)} `,
      element("span", { class: "time" }, after));
  });
  if (way?.more > 0) id("way").append(element("li", { class: "quiet" }, `and ${many(way.more, "more step")}`));
}

function whatHappened({ verdict, held, written, sure }) {
  if (verdict) return decision({ verdict, held });
  if (written) return "written to the link";
  return sure ? "" : "somehow: not seen from here";
}

const STAGES = [
  ["queue", "waited for its turn"], ["name", "name"], ["connect", "connection"], ["tls", "TLS"],
  ["wait", "first byte"], ["body", "body"],
];

export function drawAnswer(answer, show) {
  const text = id("answer-of"), list = id("places"), stages = id("stages");
  if (!answer) {
    say(text, "Nobody has asked since this page was opened.");
    for (const part of [stages, list]) part.replaceChildren();
    return;
  }
  const { client, radius, outcome: name, seconds, places } = answer;
  const where = `${many(places.length, "place")} within ${radius / 1000} km of ${client}`;
  say(text, `${where}: ${outcome(name)} in ${duration(seconds)}`);
  const known = STAGES.filter(([stage]) => answer.stages?.[stage] !== undefined && answer.stages[stage] !== null);
  const all = known.reduce((sum, [stage]) => sum + answer.stages[stage], 0) || 1;
  let from = 0; // Each bar begins where the one above it ends.
  keyed(stages, known, ([stage]) => `${answer.key} ${stage}`, ([stage, words]) =>
    element("span", { class: `stage ${stage}` }, `${words} ${duration(answer.stages[stage])}`), (bar, [stage]) => {
    const part = answer.stages[stage] / all;
    bar.style.setProperty("--from", from.toFixed(3));
    bar.style.setProperty("--part", part.toFixed(3));
    from += part;
  });
  const numbered = places.map((place, number) => ({ ...place, number }));
  keyed(list, numbered, ({ number }) => `${answer.key} ${number}`, (place) =>
    element("li", {}, place.name ?? "(without a name)", " ",
      element("span", { class: "quiet" }, distance(answer, place))));
  list.onclick = () => show(answer);
}

function distance(from, to) {
  if (to.latitude === null) return "";
  const rad = Math.PI / 180, a = from.latitude * rad, b = to.latitude * rad;
  const h = Math.sin((a - b) / 2) ** 2
    + Math.cos(a) * Math.cos(b) * Math.sin(((from.longitude - to.longitude) * rad) / 2) ** 2;
  const km = 12742 * Math.asin(Math.sqrt(h));
  return km < 1 ? `${Math.round(km * 1000)} m` : `${km.toFixed(1)} km`;
}

let before, latest; // The last two reports, for numbers for each second.

export function drawHealth(model) {
  const report = model.reports.get(model.me);
  if (!report) return;
  if (!latest || report.at !== latest.at) [before, latest] = [latest, report];
  const last = before && before.at < report.at && before.uptime < report.uptime ? before : undefined;
  const rate = (now, then) => last ? `, ${Math.round((now - then) / (report.at - last.at))} each second` : "";
  const longest = report.longest_callback;
  const rows = [
    ["Up for", duration(report.uptime)],
    ["Turns", `${report.turns}${rate(report.turns, last?.turns)}`],
    ["Late by at most", report.late === undefined ? "" : `${duration(report.late)} in the last second`],
    ["Longest callback", longest ? `${duration(longest.seconds)}: ${longest.what}` : "none"],
    ["Memory", bytes(report.memory)],
    ["Descriptors", report.descriptors === null ? "not told by this system"
      : `${report.descriptors} of ${report.descriptors_allowed}`],
    ["Connections", String(report.connections)],
    ["IAMAT", `${report.counters.iamat}${rate(report.counters.iamat, last?.counters.iamat)}`],
    ["Lines not in the log", String(report.log.dropped + report.log.unwritten + report.log.beyond_share)],
    ["Left out on this page", `${model.leftOut} events: more came than a person can follow`],
  ].filter(([name]) => name !== "Left out on this page" || model.leftOut > 0);
  keyed(id("health"), rows, ([name]) => name, ([name]) => element("div", {}, element("dt", {}, name), element("dd")),
    (node, [, value]) => say(node.lastChild, value));
}

let logged = []; // The lines that stand there.

export function drawLog(model) {
  const pre = id("log");
  const { lines } = model;
  if (logged.length === lines.length && logged.at(-1) === lines.at(-1) && logged[0] === lines[0]) return;
  logged = [...lines];
  const level = (line) => (line.includes("Z WARN ") ? "warn" : line.includes("Z ERROR ") ? "error" : null);
  pre.replaceChildren(...logged.map((line) => element("span", { class: level(line) }, `${line}\n`)));
  if (id("follow").checked) pre.scrollTop = pre.scrollHeight;
}

export function drawHeader(model, state) {
  const up = [...model.servers.keys()].filter((name) => model.stateOf(name).state === UP).length;
  const down = [...model.servers.keys()].filter((name) => model.stateOf(name).state === DOWN).length;
  const title = model.run ? "simulated herd" : model.me;
  say(id("me"), title ?? "");
  document.title = title ? `${title} · proxyherd` : "proxyherd";
  say(id("state"), state ?? `live: ${up} of ${model.servers.size} servers seen up${down ? `, ${down} down` : ""}`);
  set(id("state"), { class: state ? "lost" : down ? "some" : "live" });
  const others = [...model.servers.values()].filter(({ name, page }) => fromHere(page) && name !== model.me);
  keyed(id("pages"), others.slice(0, MOST_PAGES), ({ name }) => name,
    ({ name, page }) => element("a", { href: fromHere(page) }, name));
  say(id("client-count"), clients(model));
}

// Where the page of another server is, as seen from this browser; `undefined` if nobody can know.
function fromHere(page) {
  if (!page) return undefined;
  const url = new URL(page), isLoopback = (name) => ["127.0.0.1", "[::1]", "localhost"].includes(name);
  const isEverywhere = ["0.0.0.0", "[::]"].includes(url.hostname);
  // A page that only its own machine reaches may have been brought here by a proxy. It has not brought the others.
  if (isLoopback(url.hostname) && !isLoopback(location.hostname)) return undefined;
  if (isEverywhere || isLoopback(url.hostname)) url.hostname = location.hostname;
  return url.href;
}

function clients(model) {
  const known = model.reports.get(model.me)?.clients ?? model.clients.size, shown = model.clients.size;
  if (known > shown) return `${known} clients known, the last ${shown} shown`;
  return many(shown, "client");
}
