/* The pictures that the script draws: turns of the loop at any zoom, and the wire of the chosen hosts or connection. */
const SVG = "http://www.w3.org/2000/svg";
const PHASES = ["wait", "events", "calls", "timers", "flush", "ends"];
const SLOW = 10e6;
const MAX_COLUMNS = 60;

function svg(label) {
  const root = document.createElementNS(SVG, "svg");
  let [inside, width, height] = [root, 0, 0];
  const add = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    inside.append(made);
    return made;
  };
  const reach = (x, y) => [width, height] = [Math.max(width, x), Math.max(height, y)];
  root.setAttribute("role", "img");
  root.setAttribute("aria-label", label);
  return {
    begin(at, hint) {
      inside = add("g", at === undefined ? {} : {"data-at": at});
      if (hint) add("title", {}, hint);
    },
    end() { inside = root; },
    text(c, x, y, text) { reach(x + width_of(text, c), y + 6); add("text", {class: c, x, y}, text); },
    rect(c, x, y, width, height) { reach(x + width, y + height); add("rect", {class: c, x, y, width, height, rx: 3}); },
    line(c, ...points) {
      points.forEach(([x, y]) => reach(x, y));
      add("polyline", {class: c, points: points.join(" ")});
    },
    dot(c, cx, cy, r) { add("circle", {class: c, cx, cy, r}); },
    room(x, y) { reach(x, y); },
    finish() {
      root.setAttribute("width", width + 16);
      root.setAttribute("height", height + 12);
      root.setAttribute("viewBox", `0 0 ${width + 16} ${height + 12}`);
      return root;
    },
  };
}
/* How far a text reaches to the right of its point. */
function width_of(text, c) {
  return text.length * (c.includes("small") ? 6.7 : 7.9) * (c.includes("end") ? 0 : c.includes("mid") ? 0.5 : 1);
}
const cut = (text, max) => text.length > max ? text.slice(0, max - 1) + "…" : text;
/* Where something is left out already, the rest is left out, too. */
function cut_middle(text, max) {
  if (text.length <= max) return text;
  let [begin, end] = [(max - 1) >> 1, max >> 1];
  const gap = text.indexOf("…");
  if (gap >= 0) {
    end = Math.max(Math.min(end, text.length - gap - 1), max - 1 - gap);
    begin = max - 1 - end;
  }
  return text.slice(0, begin) + "…" + text.slice(text.length - end);
}
const count = (number, what) => number === 1 ? "1 " + what : number + " " + what + "s";

/* The loop: `from` and `size` choose turns of this page; a size of 0 is the whole run. */
const loops = DATA.loops || [];
const window_ = {loop: 0, from: 0, size: 0, drawn: ""};
const columns = (loops).map(({name, host, whole, turns}) => {
  const keys = ["first", "last", "begin", "end", "waited", "busy", "phases", "calls", "callbacks", "longest", "words",
    "timers", "latest", "victims", "at", "of_call", "held", "late"];
  const read = column => Object.fromEntries(keys.map((key, index) => [key, column[index]]));
  return {name, host, whole: whole.map(read), turns: turns.map(read)};
});
function merged(turns) {
  const sum = key => turns.reduce((all, turn) => all + turn[key], 0);
  const max = key => turns.reduce((most, turn) => Math.max(most, turn[key]), 0);
  const longest = turns.reduce((most, turn) => turn.longest > most.longest ? turn : most);
  const [one, other] = [turns[0], turns[turns.length - 1]];
  return {
    first: one.first, last: other.last, begin: one.begin, end: other.end, at: one.at,
    waited: sum("waited"), busy: sum("busy"), calls: sum("calls"), callbacks: sum("callbacks"), timers: sum("timers"),
    victims: sum("victims"), latest: max("latest"), held: max("held"), late: sum("late"), longest: longest.longest, words: longest.words,
    phases: turns.reduce((all, turn) => all | turn.phases, 0),
    of_call: turns.flatMap(turn => turn.of_call),
  };
}
/* The calls to the system by name, of a list of names and counts: `3 poll, 2 read`. */
function call_names(of_call) {
  const counts = new Map();
  for (let n = 0; n < of_call.length; n += 2) {
    const name = text_of(of_call[n]);
    counts.set(name, (counts.get(name) || 0) + of_call[n + 1]);
  }
  const names = [...counts].map(([name, number]) => `${number} ${name}`);
  return names.length ? ` (${names.join(", ")})` : "";
}
/* The index of the turn in which the moment is. */
function turn_now(turns) {
  return Math.max(0, turns.findLastIndex(turn => turn.at < moment));
}
/* Half or twice as many turns around the moment; 0 shows all of them. */
function zoom(factor) {
  const {whole, turns} = columns[window_.loop] || {};
  if (!turns || current_view().id !== "view-loop") return;
  /* The whole run is one step above the turns of this page, if it has more. */
  const largest = whole.length ? turns.length * 2 : turns.length;
  const size = Math.ceil((window_.size || largest) * factor);
  window_.size = factor === 0 || size >= largest || !turns.length ? 0 : Math.max(1, size);
  window_.from = 0;
  window_.drawn = "";
  show(moment);
}
/* The loop of the event that happens now: undefined if it is of none. */
function loop_now() {
  const event = at(moment - 1);
  const begun = columns.map(({host, whole, turns}, number) => ({host, number, at: (turns[0] || whole[0])?.at ?? 0}));
  const own = begun.filter(({host}) => host === "" || event?.text.startsWith(host + ": "));
  return (own.findLast(({at}) => at < moment) || own[0])?.number;
}
/* The picture is of the loop of the event, unless the reader has chosen one. */
function follow_loop() {
  const now = loop_now();
  if (!$("loop-follow").checked || now === undefined || now === window_.loop) return;
  $("loop-of").value = now;
  Object.assign(window_, {loop: now, drawn: ""});
}
function draw_loop() {
  follow_loop();
  const {name, whole, turns} = columns[window_.loop];
  const is_whole = window_.size === 0 || !turns.length;
  if (!is_whole) {
    const [now, half] = [turn_now(turns), window_.size >> 1];
    /* The window follows the moment in whole pages, so it depends on the moment alone. */
    const page = Math.max(1, half);
    const from = window_.size === 1 ? now : Math.floor(now / page) * page - (page >> 1);
    window_.from = Math.max(0, Math.min(from, turns.length - window_.size));
  }
  const shown = is_whole ? (whole.length ? whole : turns) : turns.slice(window_.from, window_.from + window_.size);
  const key = [window_.loop, is_whole, window_.from, window_.size].join();
  if (key === window_.drawn) return;
  window_.drawn = key;
  const each = Math.max(1, Math.ceil(shown.length / MAX_COLUMNS));
  const merge = [];
  for (let from = 0; from < shown.length; from += each) merge.push(merged(shown.slice(from, from + each)));
  const box = $("loop");
  box.replaceChildren(loop_picture(name, merge, is_whole && whole.length));
  if (shown.length === 1 && !is_whole) box.append(turn_table(shown[0], turns[window_.from + 1]));
  const [one, other] = [merge[0], merge[merge.length - 1]];
  const turns_of = () => one.first === other.last ? `turn ${one.first}` : `turns ${one.first} to ${other.last}`;
  const range = one ? turns_of() : "no turn";
  const width = one ? one.last - one.first + 1 : 1;
  const in_column = width > 1 ? `, ${width} in a column` : "";
  $("zoom").textContent = !one ? range : `${range}${in_column}, ${time(one.begin)} to ${time(other.end)}`;
  $("view-loop").marked = null;
}
/* A dot for each delayed call, from the bottom up: first those that were late. Of many there are two numbers. */
function draw_timers(picture, {timers, late}, x, bottom) {
  const numbers = [["hott small mid", late], ["small mid", timers - late]].filter(([, count]) => count > 0);
  if (timers > 4) numbers.forEach(([c, count], row) => picture.text(c, x, bottom + 4 - row * 16, String(count)));
  else for (let row = 0; row < timers; row++) picture.dot(row < late ? "hot" : "cool", x, bottom - row * 10, 4);
}
function loop_picture(name, columns, is_longer) {
  const [picture, left] = [svg(`turns of ${name}`), 110];
  const room = Math.max(480, $("loop").clientWidth - left - 80);
  const wide = Math.max(8, Math.min(64, Math.floor(room / Math.max(1, columns.length))));
  const right = left + wide * columns.length;
  const tops = [];
  let y = 40;
  const lanes = {waiting: 44, phases: 78, "system calls": 50, callbacks: 90, "delayed calls": 44, "kept waiting": 30};
  for (const [lane, height] of Object.entries(lanes)) {
    picture.text("soft small end", left - 12, y + height / 2 + 4, lane);
    picture.line("line", [left, y + height], [right, y + height]);
    tops.push([y, height]);
    y += height + 12;
  }
  const most = (key, least) => columns.reduce((most, column) => Math.max(most, column[key]), least);
  const [waited, calls, long] = [most("waited", 1), most("calls", 1), most("held", 1e6)];
  columns.forEach((column, index) => {
    const x = left + index * wide;
    const turns = column.first === column.last ? `turn ${column.first}` : `turns ${column.first} to ${column.last}`;
    const longest = column.words === -1 ? "" : `; longest: ${text_of(column.words)}`;
    const [calls_, callbacks] = [count(column.calls, "call"), count(column.callbacks, "callback")];
    picture.begin(column.at, `${turns} at ${time(column.begin)}: waited ${time(column.waited)}, ${calls_}${call_names(column.of_call)}, `
      + `${callbacks} in ${time(column.busy)}${longest}`);
    const bar = (c, lane, part, whole) => {
      const [top, height] = tops[lane];
      const tall = part ? Math.max(3, Math.floor(part / whole * height)) : 0;
      picture.rect(c, x + 2, top + height - tall, wide - 4, tall);
    };
    const is_held = column.held > SLOW;
    bar("bar", 0, column.waited, waited);
    bar("cool", 2, column.calls, calls);
    /* In a simulated world a callback takes no time: it still has a mark. */
    bar(is_held ? "hot" : "cool", 3, column.held || Math.sign(column.callbacks), long);
    PHASES.forEach((phase, row) => {
      const is_there = column.phases >> row & 1 || row === 0;
      if (is_there) picture.rect(row === 0 ? "bar" : "cool", x + 2, tops[1][0] + row * 13, wide - 4, 10);
    });
    if (is_held) picture.text("hott small mid", x + wide / 2, tops[3][0] - 2, time(column.held));
    draw_timers(picture, column, x + wide / 2, tops[4][0] + 36);
    if (column.victims) picture.text("hott mid", x + wide / 2, tops[5][0] + 20, column.victims + "!");
    if (index % Math.ceil(49 / wide) === 0) picture.text("soft small", x + 2, 28, String(column.first));
    picture.end();
  });
  PHASES.forEach((phase, row) => picture.text("soft small", right + 8, tops[1][0] + row * 13 + 10, phase));
  picture.text("soft small", right + 8, 28, "turn");
  const scale = [[0, time(waited)], [2, String(calls)], [3, time(long)]];
  for (const [lane, full] of scale) picture.text("soft small end", left - 12, tops[lane][0] + 10, full);
  if (columns.length) {
    const [begin, end] = [time(columns[0].begin), time(columns[columns.length - 1].end)];
    picture.text("soft small end", left - 12, y + 4, "time");
    const is_narrow = right - left < width_of(begin + end, "small") + 20;
    picture.text("soft small", left, y + 4, is_narrow ? `${begin} to ${end}` : begin);
    if (!is_narrow) picture.text("soft small end", right, y + 4, end);
  }
  picture.room(right + 60, y + 12);
  if (is_longer) picture.text("soft small", left, 12, "the whole run; zoom in to see the turns of this page");
  return picture.finish();
}
/* One turn: each of its events. */
function turn_table(turn, next) {
  const table = element("table", {class: "turn", "aria-label": `turn ${turn.first}, step by step`});
  const [from, to] = [Math.max(first, turn.at), Math.min(last, next ? next.at : last)];
  for (let n = from; n < to; n++) {
    const {ns, text, place: number, depth} = at(n);
    table.append(element("tr", {"data-at": n}, element("td", {}, "+" + time(ns - turn.begin)),
      element("td", {style: `padding-left:${depth * 18}px`}, text), element("td", {}, place(number))));
    if (/\bturn \d+ ends$/.test(text)) break;
  }
  return table;
}

/* The wire. */
const wires = DATA.wires || [];
/* A row's kind: 0 bytes, 1 an end, 2 a callback, 3 a remark, 4 bytes that one read took at once, 5 what is lost on the way. */
const is_arrow = kind => kind < 2 || kind > 3;
const LINE = 34, MAX_HOSTS = 8, TONES = ["coolline", "twoline", "threeline", "fourline"];
let [wire_now, hosts] = [0, []];
function draw_wire() {
  const {name, lanes, rows, left_out} = wires[wire_now];
  const picture = svg(`what went over the wire: ${name}`);
  /* The lines stand as far apart as there is room. */
  const gap = Math.max(180, Math.min(460, Math.floor(($("wire").clientWidth - 360) / Math.max(1, hosts.length - 1))));
  const x = new Map(hosts.map((lane, index) => [lane, 200 + index * gap]));
  const shown = rows.filter(([, , from, to]) => x.has(from) && x.has(to));
  const [bottom, right] = [24 + shown.length * LINE, 200 + (hosts.length - 1) * gap + 150];
  const names = svg("hosts");
  for (const lane of hosts) {
    names.text("title mid", x.get(lane), 18, lanes[lane]);
    picture.line("line", [x.get(lane), 0], [x.get(lane), bottom]);
  }
  names.room(right, 16);
  picture.room(right, bottom);
  shown.forEach(([event, kind, from, to, label, under_way = 0, hint = null, message], index) => {
    const [y, x1, x2, text] = [28 + index * LINE, x.get(from), x.get(to), text_of(label)];
    const moved = under_way ? `; ${time(under_way)} under way, since ${time(at(event).ns - under_way)}` : "";
    picture.begin(event, hint === null ? text : `${text_of(hint)}${moved}: ${text}`);
    picture.text("soft small", 8, y + 2, time(at(event).ns));
    if (is_arrow(kind) && from === to) {
      /* A host that talks to itself: an arrow would have no length. */
      picture.text(kind === 1 || kind === 5 ? "hott small mid over" : "small mid over", x1, y + 2,
        cut_middle(text, 44) + (kind === 4 ? ", read" : ""));
    } else if (is_arrow(kind)) {
      const [toward, slope] = [x1 < x2 ? -1 : 1, under_way ? 8 : 0];
      const tone = kind === 1 || kind === 5 ? "hotline" : TONES[message] || "plainline";
      /* What is lost ends in a cross before its line. */
      const end = kind === 5 ? x2 + toward * gap / 6 : x2;
      picture.line(tone, [x1, y - slope], [end, y]);
      if (kind === 5) {
        picture.line(tone, [end - 5, y - 5], [end + 5, y + 5]);
        picture.line(tone, [end - 5, y + 5], [end + 5, y - 5]);
      } else picture.line(tone, [x2 + toward * 9, y - 5], [x2, y], [x2 + toward * 9, y + 5]);
      /* The middle of an arrow may be another line: then its words stand in the gap before that. */
      const is_crossed = Math.round(Math.abs(x1 - x2) / gap) % 2 === 0;
      const [middle, long] = [(x1 + x2) / 2 + (is_crossed ? toward * gap / 2 : 0), is_crossed ? gap : Math.abs(x1 - x2)];
      picture.text("small mid over", middle, y - slope - 5, cut_middle(text, Math.floor((long - 24) / 6.7)));
      if (kind === 4) picture.text(toward < 0 ? "soft small over" : "soft small end over", x2 - toward * 8, y + 3, "read");
    } else if (kind === 2) {
      const words = cut(text, 34);
      const wide = words.length * 6.7 + 16;
      picture.rect("frame", x1 - wide / 2, y - 12, wide, 20);
      picture.text("small mid", x1, y + 2, words);
    } else {
      /* A remark may reach to the lines beside its own; before the first line there is the time. */
      picture.text("soft small mid over", x1, y + 2, cut(text, from === hosts[0] ? 44 : Math.floor((gap - 20) * 2 / 6.7)));
    }
    picture.end();
  });
  $("wire").replaceChildren(names.finish(), picture.finish());
  const notes = ["Down: time. An arrow: bytes on their way. A box: a callback that runs. “read” at "
    + "an arrow: one read took just what it brought. Any other read has a row, with the number of bytes. Red: an end of the "
    + "connection, or an error; with a cross: it is lost on the way. Arrows of one colour carry the same "
    + "bytes; at most four messages have a colour."];
  if (hosts.length < lanes.length) notes.push(`${hosts.length} of ${lanes.length} hosts are shown.`);
  if (shown.length < rows.length) notes.push(`${rows.length - shown.length} rows of other hosts are hidden.`);
  if (left_out) notes.push(`${left_out} later rows have no room on this page: lens TRACE --wire has them.`);
  $("wire-note").textContent = notes.join(" ");
  $("view-wire").marked = null;
}
/* The hosts of which the wire has most rows. */
function busiest({lanes, rows}) {
  const count = lanes.map((_, lane) => rows.filter(([, , from, to]) => from === lane || to === lane).length);
  const sorted = lanes.map((_, lane) => lane).sort((one, other) => count[other] - count[one] || one - other);
  return sorted.slice(0, MAX_HOSTS).sort((one, other) => one - other);
}
function choose_wire(number) {
  wire_now = number;
  const {lanes} = wires[number];
  hosts = lanes.length > 2 ? busiest(wires[number]) : lanes.map((_, lane) => lane);
  const boxes = lanes.map((lane, index) => {
    const box = element("input", {type: "checkbox", checked: hosts.includes(index) ? "" : null});
    box.onchange = () => {
      hosts = lanes.map((_, lane) => lane).filter(lane => lane === index ? box.checked : hosts.includes(lane));
      draw_wire();
      show(moment, false);
    };
    return element("label", {}, box, " " + lane);
  });
  $("wire-hosts").replaceChildren($("wire-hosts").firstElementChild, ...boxes);
  $("wire-hosts").hidden = lanes.length <= 2;
  draw_wire();
}

function choices(select, names, chosen) {
  select.replaceChildren(...names.map((name, index) => element("option", {value: index}, name)));
  select.parentElement.hidden = names.length < 2;
  select.onchange = () => { chosen(+select.value); show(moment, false); };
}
if (loops.length) {
  const choose = number => {
    $("loop-follow").checked = false;
    Object.assign(window_, {loop: number, size: 0, drawn: ""});
  };
  $("loop-follow").onchange = () => show(moment, false);
  $("loop-follow").parentElement.hidden = columns.length < 2;
  choices($("loop-of"), columns.map(({name}) => name), choose);
  $("zoom-out").onclick = () => zoom(2);
  $("zoom-in").onclick = () => zoom(0.5);
  $("zoom-all").onclick = () => zoom(0);
  $("zoom-one").onclick = () => { window_.size = 1; zoom(1); };
}
if (wires.length) {
  choices($("wire-of"), wires.map(({name}) => name), choose_wire);
  choose_wire(0);
}

/* An address may choose the moment and the view: #at=120&view=loop */
const asked = () => new URLSearchParams(location.hash.slice(1));
function go_to_address(usual_moment, usual_view) {
  moment = +(asked().get("at") ?? usual_moment);
  view(all("#tabs button").find(tab => tab.dataset.view === asked().get("view"))?.dataset.view ?? usual_view);
}
go_to_address(DATA.moment, "verdict");
addEventListener("hashchange", () => go_to_address(moment, current_view().id.replace("view-", "")));
/* For a test: as many steps on and back as the address asks for must lead to where they began. */
const steps = +asked().get("steps");
if (steps) {
  const same = all("#tabs button").every(tab => {
    view(tab.dataset.view);
    show(Math.max(first, last - steps));
    const before = state();
    for (let i = 0; i < steps; i++) show(moment + 1);
    for (let i = 0; i < steps; i++) show(moment - 1);
    return before === state();
  });
  document.documentElement.dataset.steps = same ? "same" : "other";
}
