// The model: what is known of a herd, made of events alone. It knows no document and no connection, so the events may
// come from a server's page, or from a simulated world. docs/page.md describes them.
//
// Each event says which server reports it (`by`). A page of one server has one reporter. With several, each is believed
// about itself, and the rest is put together. What no reporter can know is "unknown": it is drawn grey, never guessed.

const MOST = { clients: 3000, ways: 60, steps: 60, commands: 60, refusals: 40, lines: 300, flights: 60,
  decisions: 4000 };

export const UP = "up", DOWN = "down", UNKNOWN = "unknown", FROZEN = "frozen";

export class Model {
  constructor() {
    this.servers = new Map(); // name -> {name, neighbors, address, page}
    this.reports = new Map(); // name -> its last status
    this.clients = new Map(); // name -> the newest known location; the last to change stands last
    this.ways = new Map(); // "client time" -> {client, time, server, steps}
    this.commands = []; // newest first
    this.refusals = []; // newest first
    this.lines = []; // of the log, oldest first
    this.answers = []; // of WHATSAT, newest first
    this.flights = []; // what has just moved along a link: {from, to}
    this.heardOf = new Map(); // server -> when a line last named it as the one that heard a client
    this.me = undefined; // whose page this is
    this.isLive = false; // whether events come
    this.now = 0; // the reporter's clock, as of the last event
    this.leftOut = 0;
    this.version = "";
    // Of a simulated herd alone:
    this.run = undefined; // its settings, its lessons, and what may be asked for
    this.clock = undefined; // where the run is, and whether it goes on
    this.world = undefined; // what no server knows
    this.machines = new Map(); // server -> {state, stale, clock}
    this.faults = new Map(); // "from to" -> "cut", "slow" or "lossy"
    this.messages = new Map(); // id -> what is on its way, or has just arrived
    this.more = 0; // messages on their way for which there was no room
    this.decisions = new Map(); // "from to client time" -> {verdict, held, at}
    this.newest = new Map(); // client -> the greatest time of its locations; of its clients there are at most some hundred
  }

  // All events since the last call of this kind.
  applyAll(events) {
    for (const event of events) this.apply(event);
  }

  apply(event) {
    if (event.at) this.now = event.at;
    const apply = APPLY[event.kind];
    if (apply) apply(this, event); // An event of a later version is left alone.
  }

  // How a server is: {state, since, why}.
  stateOf(name) {
    if (!this.isLive) return { state: UNKNOWN, why: "nothing comes from this page's server" };
    const machine = this.machines.get(name);
    if (machine?.state === "frozen") return { state: FROZEN, why: "its process is stopped" };
    if (machine && machine.state !== "running") return { state: DOWN, why: machine.state };
    const own = this.reports.get(name);
    if (own) return { state: UP, since: own.uptime, why: "it says so itself" };
    let down;
    for (const [reporter, report] of this.reports) {
      const link = report.links.find((link) => link.neighbor === name);
      if (!link) continue;
      if (link.silent) {
        return { state: UNKNOWN, by: reporter, why: "its machine takes what is sent, and it says nothing: it may be frozen" };
      }
      if (link.up || link.inbound > 0) return { state: UP, since: link.up ? link.seconds : undefined, by: reporter };
      down = { state: DOWN, since: link.seconds, nextTry: link.next_try, by: reporter };
    }
    if (down) return down;
    const heard = this.heardOf.get(name);
    return { state: UNKNOWN, heard, why: "no neighbor of this page's server" };
  }

  // How the link from one server to its neighbor is, as the one or the other says.
  linkState(from, to) {
    if (!this.isLive) return { state: UNKNOWN };
    const own = this.reports.get(from)?.links.find((link) => link.neighbor === to);
    if (own) {
      const { up, silent, seconds, waiting, buffered, next_try, tls } = own;
      return { state: silent ? UNKNOWN : up ? UP : DOWN, since: seconds, waiting, buffered, nextTry: next_try, tls, by: from };
    }
    const other = this.reports.get(to)?.links.find((link) => link.neighbor === from);
    if (other) {
      return { state: other.inbound > 0 ? UP : DOWN, since: other.inbound_seconds, tls: other.tls, by: to };
    }
    return { state: UNKNOWN };
  }

  // All links of the configuration, one for each direction.
  links() {
    const links = [];
    for (const { name, neighbors } of this.servers.values()) {
      for (const neighbor of neighbors) {
        const fault = this.faults.get(`${name} ${neighbor}`);
        links.push({ from: name, to: neighbor, fault, ...this.linkState(name, neighbor) });
      }
    }
    return links;
  }

  way(event) {
    const key = `${event.client} ${event.time}`;
    let way = this.ways.get(key);
    if (!way) {
      way = { key, client: event.client, time: event.time, server: event.server, heard: event.heard, steps: [], more: 0 };
      this.ways.set(key, way);
      forgetFirst(this.ways, MOST.ways);
    }
    if (event.server && !way.server) Object.assign(way, { server: event.server, heard: event.heard });
    return way;
  }
}

const APPLY = {
  herd(model, event) {
    const { compare } = new Intl.Collator("en", { numeric: true });
    const servers = event.servers.toSorted((a, b) => compare(a.name, b.name));
    model.servers = new Map(servers.map((server) => [server.name, server]));
    model.me ??= event.by;
    model.version = event.version;
    if (event.commands) model.run = event;
  },

  status(model, event) {
    model.reports.set(event.by, event);
  },

  // The clients that changed last follow. What was known of others may not be so any more.
  anew(model) {
    model.clients.clear();
  },

  known(model, event) {
    place(model, event);
    newest(model, event);
  },

  heard(model, event) {
    const { by, from, server, verdict, held, at } = event;
    // Where all servers report, one may be late with what is old by now.
    const isOld = model.run && model.newest.get(event.client) > Number(event.time);
    if (verdict === "newer" && !isOld) place(model, event);
    if (server !== by) model.heardOf.set(server, at);
    newest(model, event);
    decided(model, event);
    const way = model.way(event);
    const isNews = way.steps.length === 0;
    // The line says that its server heard the client. How it came from there to our neighbor, nobody has told us.
    if (isNews && from !== "client") {
      step(way, { from: "client", to: server, at: event.heard, sure: false });
      if (from && from !== server) step(way, { from: server, to: from, sure: false });
    }
    step(way, { from: from ?? "a server", to: by, at, verdict, held, sure: true });
    if (from && from !== "client") fly(model, from, by);
    if (from === "client") {
      const { client, latitude, longitude } = event;
      command(model, { at, by, word: "IAMAT", client, latitude, longitude, outcome: verdict, way: way.key });
    }
  },

  // The store has what a client said; `verdict` says whether it was news.
  stored(model, event) {
    const { by, client, latitude, longitude, verdict, at } = event;
    if (verdict === "newer") place(model, event);
    newest(model, event);
    command(model, { at, by, word: "IAMAT", client, latitude, longitude, outcome: verdict });
  },

  told(model, { by, to, what, client, time, at }) {
    fly(model, by, to);
    if (what === "location") step(model.way({ client, time }), { from: by, to, at, sure: true, written: true });
  },

  forgot(model, { client }) {
    model.clients.delete(client);
  },

  heard_forgot(model, { client, verdict }) {
    if (verdict === "newer") model.clients.delete(client);
  },

  linked(model, { by, to }) {
    const link = model.reports.get(by)?.links.find((link) => link.neighbor === to);
    if (link) Object.assign(link, { up: true, seconds: 0, next_try: null });
  },

  refused(model, event) {
    keep(model.refusals, event, MOST.refusals);
  },

  answered(model, event) {
    const { at, by, client, outcome, seconds, radius, bound } = event, key = answerKey(event);
    keep(model.answers, { ...event, key }, MOST.commands);
    command(model, { at, by, word: "WHATSAT", client, outcome, seconds, radius, bound, answer: key });
  },

  log(model, { lines, missed }) {
    if (missed > 0) model.lines.push(`(${missed} lines are left out here: they are in the log)`);
    model.lines.push(...lines);
    model.lines.splice(0, model.lines.length - MOST.lines);
  },

  left_out(model, { count }) {
    model.leftOut += count;
  },

  clock(model, event) {
    model.clock = event;
  },

  world(model, event) {
    model.world = event;
    model.machines = new Map(event.hosts.map((host) => [host.name, host]));
    model.faults = new Map(event.links.map(([from, to, fault]) => [`${from} ${to}`, fault]));
    for (const { name, state } of event.hosts) {
      if (state === "ended" || state === "down") model.reports.delete(name);
    }
  },

  flights(model, { at, flights, gone, more, new: isMore }) {
    if (!isMore) model.messages.clear();
    for (const id of gone ?? []) model.messages.delete(id);
    // One that has arrived stays until the next time, so that it can be drawn to its end.
    for (const [id, { arrives }] of model.messages) if (arrives < (model.flightsAt ?? 0)) model.messages.delete(id);
    for (const flight of flights) model.messages.set(flight.id, flight);
    model.flightsAt = at;
    model.more = more ?? 0;
  },
};

// By this, an answer is found again after everything was said anew. Two answers that share it are alike.
export function answerKey({ at, by, client, radius, bound }) {
  return `${at} ${by} ${client} ${radius} ${bound}`;
}

function newest(model, { client, time }) {
  if (!model.run) return;
  const seconds = Number(time);
  if (!(model.newest.get(client) >= seconds)) model.newest.set(client, seconds);
}

function decided(model, { from, by, client, time, verdict, held, at }) {
  const key = `${from} ${by} ${client} ${time}`;
  model.decisions.delete(key);
  model.decisions.set(key, { verdict, held, at });
  forgetFirst(model.decisions, MOST.decisions);
}

function place(model, { client, latitude, longitude, server, time, heard, at, is_held: isHeld = true }) {
  model.clients.delete(client); // It becomes the last.
  model.clients.set(client, { client, latitude, longitude, server, time, heard, isHeld, changed: at });
  forgetFirst(model.clients, MOST.clients);
}

function step(way, step) {
  if (way.steps.length < MOST.steps) way.steps.push(step);
  else way.more += 1;
}

function fly(model, from, to) {
  if (model.flights.length < MOST.flights) model.flights.push({ from, to });
}

function command(model, command) {
  keep(model.commands, command, MOST.commands);
}

function keep(list, item, most) {
  list.unshift(item);
  if (list.length > most) list.pop();
}

function forgetFirst(map, most) {
  if (map.size > most) map.delete(map.keys().next().value);
}
