/* The script of a page: steps, the list of events, the dial, what waits.

   A moment is a number of events that have happened. Everything that is shown is worked out from it alone, so a step
   back is a step on undone. `first` events come before those of this page. */
const $ = id => document.getElementById(id);
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const {texts, places, files, source, waits, more, first, total} = DATA;
/* A text is its number; or a list of that and of the numbers that fill its gaps. */
function text_of(text) {
  if (typeof text === "number") return texts[text];
  let filled = 0;
  return texts[text[0]].replace(/\ue000/g, () => text[++filled]);
}
const events = [];
for (const [since, text, place = -1, depth = 0] of DATA.events) {
  events.push({ns: (events.length ? events[events.length - 1].ns : 0) + since, text: text_of(text), place, depth});
}
const last = first + events.length;
const at = n => events[n - first];
/* The time at a moment, and the last moment at a time. */
const ns = n => at(Math.max(first, n - 1))?.ns ?? 0;
const [begin, end] = [ns(first), ns(last)];
const has_clock = end > begin;
function moment_at(time) {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (events[middle].ns <= time) low = middle + 1; else high = middle;
  }
  return first + low;
}
let moment = last;

/* As the text views round: what lies in the middle goes to the even digit. */
function rounded(number, digits) {
  const [exact, rest] = [number.toFixed(digits + 30).slice(0, -30), number.toFixed(digits + 30).slice(-30)];
  return /^50*$/.test(rest) && /[02468]$/.test(exact) ? exact : number.toFixed(digits);
}
function time(ns) {
  if (ns < 1e3) return ns + " ns";
  if (ns < 1e6) return rounded(ns / 1e3, 1) + " us";
  return ns < 1e9 ? rounded(ns / 1e6, 1) + " ms" : rounded(ns / 1e9, 3) + " s";
}
/* How long it is until something, or since: from 100 seconds on in minutes, hours or days. */
function long_time(ns) {
  const seconds = ns / 1e9;
  if (seconds < 100) return time(ns);
  const [number, unit] = seconds < 6000 ? [seconds / 60, "min"]
    : seconds < 172800 ? [seconds / 3600, "h"] : [seconds / 86400, "days"];
  return rounded(number, 1).replace(/\.0$/, "") + " " + unit;
}
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter(child => child !== undefined && child !== null));
  return made;
}
/* A place is a link only if it leads somewhere. */
function place(number, attributes = {}) {
  if (number < 0) return null;
  const [, file, line] = places[number].match(/^(.*):(\d+)$/) || [null, places[number], ""];
  /* Many files have these names: their folder says which it is. */
  const name = /((src[\/\\]|[^\/\\]*[\/\\]src[\/\\]|[^\/\\]*[\/\\])(mod|lib|main)\.rs|[^\/\\]*)$/;
  const shown = file.match(name)[0] + (line && ":" + line);
  const href = files[file] && files[file] + (line && "#L" + line);
  return href ? element("a", {class: "place", href, title: places[number], ...attributes}, shown)
    : element("span", {class: "place", title: places[number]}, shown);
}

/* The tree of what waits: as `lens TRACE --waits --at N` writes it. */
const MAX_WAITS = 300;
function tree(n) {
  const now = new Map();
  for (const [from, to, id, parent, name, what, place, since, due] of waits) {
    if (from > n) break;
    if (to < 0 || n < to) now.set(id, {id, parent, name, what, place, since, due, below: []});
  }
  const sorted = [...now.values()].sort((one, other) => one.id % 3 - other.id % 3 || one.id - other.id);
  const tops = sorted.filter(state => !now.has(state.parent));
  for (const state of sorted) now.get(state.parent)?.below.push(state);
  /* Behind the tops stand all things: of a circle, the first one is a top. */
  const left = [...tops, ...sorted].reverse().map(state => [0, state]);
  const [told, lines] = [new Set(), []];
  while (left.length) {
    const [depth, state] = left.pop();
    if (told.has(state.id)) continue;
    told.add(state.id);
    lines.push({...state, depth, text: text_of(state.name) + (depth ? ", which " : " ") + words(state, ns(n))});
    for (const below of state.below.reverse()) left.push([depth + 1, below]);
  }
  return lines;
}
function words({what, due = -1}, ns) {
  return due < 0 ? text_of(what) : due >= ns ? "is due in " + long_time(due - ns) : "has been due for " + long_time(ns - due);
}
/* Of what waited when the page began and has no room on it: how much still waits. */
function more_waits(n) {
  return more.reduce((sum, [from, change]) => from <= n ? sum + change : sum, 0);
}
function show_waits() {
  const [lines, left_out] = [tree(moment), more_waits(moment)];
  const kinds = ["Deferred", "delayed call", "connection"];
  const counts = kinds.map((kind, index) => count(lines.filter(line => line.id % 3 === index).length, kind));
  const others = left_out ? `; and ${left_out} more, which waited before this page begins and have no room on it` : "";
  $("waits-note").textContent = `After ${count(moment, "event")}, at ${time(ns(moment))}: ${counts.join(", ")}${others}.`;
  const top = $("waits");
  top.replaceChildren();
  const inside = [top];
  for (const line of lines.slice(0, MAX_WAITS)) {
    const kind = (line.since === moment - 1 ? " new" : "") + (line.due === -1 ? " never" : "");
    const it = element("span", {class: "it" + kind}, line.text);
    const item = element("li", {}, it, " ", place(line.place));
    inside.length = line.depth + 1;
    let list = inside[line.depth];
    if (!list) {
      list = element("ul");
      inside[line.depth - 1].lastElementChild.append(list);
      inside[line.depth] = list;
    }
    list.append(item);
  }
  const unseen = Math.max(0, lines.length - MAX_WAITS) + left_out;
  if (unseen) top.append(element("li", {}, unseen + " more wait."));
}

/* The list of events has only the rows that can be seen. Where it is scrolled to is kept here: to ask the browser at
   each step would make it lay out the page each time. */
const ROW = 24;
const rows = {top: 0, height: 400, from: 0, shown: []};
function row(n) {
  const {ns, text, place: number} = at(n);
  const button = element("button", {"data-at": n, title: text}, time(ns) + "  " + text);
  button.onclick = () => show(n + 1);
  return element("li", {style: `top:${(n - first) * ROW}px`}, button, place(number));
}
function show_rows() {
  const from = Math.max(0, Math.floor(rows.top / ROW) - 20);
  const count = Math.min(events.length - from, Math.ceil(rows.height / ROW) + 40);
  const had_focus = $("list").contains(document.activeElement) ? document.activeElement : null;
  if (from !== rows.from || count !== rows.shown.length) {
    rows.from = from;
    rows.shown = Array.from({length: Math.max(0, count)}, (_, index) => row(first + from + index));
    $("list").replaceChildren(...rows.shown);
  }
  rows.shown.forEach((item, index) => {
    const n = first + rows.from + index;
    const is_now = n === moment - 1;
    const name = is_now ? "now" : n < moment ? "past" : "";
    if (item.className !== name) item.className = name;
    /* Tab leads to the current event only; arrow keys lead to the others. */
    for (const child of item.children) if (child.matches("button, a")) child.tabIndex = is_now ? 0 : -1;
    if (is_now) item.firstChild.setAttribute("aria-current", "true");
    else item.firstChild.removeAttribute("aria-current");
  });
  if (had_focus) {
    const now = $("list").querySelector("[aria-current]");
    /* The list may only have been scrolled: then the focus stays on the place of the current event. */
    const on_place = had_focus.matches("a") && +had_focus.parentNode.firstChild.dataset.at === moment - 1;
    (on_place ? now?.parentNode.querySelector("a") : now)?.focus({preventScroll: true});
  }
}
function scroll_rows() {
  const top = (moment - 1 - first) * ROW;
  if (top < rows.top + ROW || top > rows.top + rows.height - 2 * ROW) {
    rows.top = Math.max(0, Math.min(events.length * ROW - rows.height, Math.floor(top - rows.height / 2)));
    $("rows").scrollTop = rows.top;
  }
  show_rows();
}

/* In the picture that is seen: what has not happened yet is pale, and what happens now has a mark. */
function current_view() {
  return all("main section").find(section => !section.hidden);
}
function marked(section) {
  section.marked ||= all("[data-at]", section).map(e => [+e.dataset.at, e]).sort((one, other) => one[0] - other[0]);
  return section.marked;
}
function show_picture(is_step) {
  const section = current_view();
  all(".mark", section).forEach(mark => mark.remove());
  let now = null;
  for (const [at, e] of marked(section)) {
    const is_past = at < moment;
    if (e.classList.contains("late") === is_past || !e.classList.length) {
      e.classList.toggle("late", !is_past);
      e.classList.toggle("past", is_past);
    }
    if (e.classList.contains("now")) e.classList.remove("now");
    if (is_past) now = e;
  }
  /* A loop of another host has nothing to do with the event. */
  const is_elsewhere = section.id === "view-loop" && loop_now() !== window_.loop;
  if (!now || is_elsewhere) return;
  now.classList.add("now");
  if (now instanceof SVGGElement) {
    const box = now.getBBox();
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const [x, y, width, height] = [box.x - 5, box.y - 3, box.width + 10, box.height + 6];
    const attributes = {class: "mark", rx: 4, x, y, width, height};
    for (const [key, value] of Object.entries(attributes)) mark.setAttribute(key, value);
    now.before(mark);
  }
  if (is_step) into_view(now);
}
function into_view(e) {
  const [box, room] = [e.getBoundingClientRect(), $("time").closest(".dial").getBoundingClientRect().bottom];
  const below = Math.min(innerHeight, document.querySelector("main").getBoundingClientRect().bottom);
  const is_seen = box.top >= room && box.bottom <= below;
  e.scrollIntoView({block: is_seen ? "nearest" : "center", inline: "nearest"});
  /* Of a row that is wider than its box, the arrow or the callback. */
  e.querySelector("rect, polyline")?.scrollIntoView({block: "nearest", inline: "nearest"});
}

function show_event() {
  const event = at(moment - 1);
  const what = $("what");
  const number = element("b", {}, event ? `event ${moment - 1}, at ${time(event.ns)}` : "before the first event");
  what.replaceChildren(number);
  if (event) {
    what.append(event.text + " ", place(event.place) ?? "");
    const lines = source[places[event.place]];
    if (lines) what.append(element("pre", {tabindex: 0}, lines));
  }
  const where = `after ${moment} of ${total} events`;
  const text = has_clock ? `${time(ns(moment))}, ${where}` : where;
  $("time").textContent = text;
  $("dial").setAttribute("aria-valuetext", event ? `${text}: ${event.text}` : text);
}
/* The dial goes by time. Without a clock, as for Deferreds without a reactor, it goes by event. */
function dial(n) {
  if (n <= first) return 0;
  return 1000 * (has_clock ? (ns(n) - begin) / (end - begin) : (n - first) / events.length);
}
function undial(value) {
  return has_clock ? moment_at(begin + (end - begin) * value / 1000) : first + Math.round(events.length * value / 1000);
}

function show(n, is_step = true) {
  moment = Math.max(first, Math.min(last, n));
  $("dial").value = dial(moment);
  show_event();
  scroll_rows();
  const name = current_view().id;
  if (name === "view-loop") draw_loop();
  if (name === "view-waits") show_waits();
  show_picture(is_step);
}
function view(name) {
  for (const section of all("main section")) section.hidden = section.id !== "view-" + name;
  for (const tab of all("#tabs button")) tab.setAttribute("aria-pressed", tab.dataset.view === name);
  show(moment);
}
/* To the event before or behind this moment that the picture shows. */
function step_in_picture(way) {
  const shown = marked(current_view()).map(([at]) => at + 1);
  const moments = shown.filter(n => n > first && n <= last && (n - moment) * way > 0);
  if (moments.length) show(way > 0 ? Math.min(...moments) : Math.max(...moments));
}
function theme() {
  const root = document.documentElement;
  const chosen = root.style.colorScheme;
  const is_dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.style.colorScheme = is_dark ? "light" : "dark";
}

/* A test compares this after steps on and back. */
function state() {
  const shown = all("main section").map(section => section.innerHTML).join("");
  const waits = tree(moment).map(line => [line.depth, line.text]);
  return JSON.stringify([moment, $("dial").value, waits, $("what").innerHTML, shown]);
}

addEventListener("keydown", e => {
  if (e.ctrlKey || e.altKey || e.metaKey || e.defaultPrevented) return;
  const on = e.target;
  if (on.matches?.("select, textarea, input:not([type=range])")) return;
  const in_list = $("list").contains(on);
  const tab = all("#tabs button")[e.key - 1];
  const keys = {
    ArrowRight: () => show(moment + 1), ArrowLeft: () => show(moment - 1),
    Home: () => show(first), End: () => show(last), n: () => step_in_picture(1), p: () => step_in_picture(-1),
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => zoom(0), d: theme,
  };
  if (in_list) Object.assign(keys, {ArrowDown: keys.ArrowRight, ArrowUp: keys.ArrowLeft});
  if (tab) view(tab.dataset.view);
  else if (keys[e.key]) keys[e.key]();
  else return;
  e.preventDefault();
});
$("dial").oninput = e => show(undial(+e.target.value));
$("back").onclick = () => show(moment - 1);
$("on").onclick = () => show(moment + 1);
$("theme").onclick = theme;
$("list").style.height = events.length * ROW + "px";
$("rows").onscroll = () => { rows.top = $("rows").scrollTop; show_rows(); };
new ResizeObserver(([{contentRect}]) => { rows.height = contentRect.height; scroll_rows(); }).observe($("rows"));
rows.height = $("rows").clientHeight;
for (const tab of all("#tabs button")) tab.onclick = () => view(tab.dataset.view);
document.querySelector("main").addEventListener("click", e => {
  const go = e.target.closest("[data-go]");
  const on = e.target.closest("[data-at]");
  if (go) show(Math.max(first, Math.min(last, +go.dataset.go)));
  else if (on && !e.target.closest("a")) show(+on.dataset.at + 1);
});
/* Events that are not on this page cannot be shown. */
for (const go of all("[data-go]")) go.hidden = +go.dataset.go <= first || +go.dataset.go > last;

