
"use strict";
// Shows /status.json (docs/status.md), and asks for it again every few seconds. It sends nothing and changes nothing.

const POLL_SECONDS = 5;
const ANSWER_SECONDS = 10;
const HISTORY_SECONDS = 900;
const ROWS = 32; // of a table, until somebody asks for all
const REASONS = 8;
const WIDTH = 300, HEIGHT = 60; // of a plot, in its own units

const by = (id) => document.getElementById(id);
const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;

// Words for values; "–" where nothing is known.
const unknown = (value) => value === null || value === undefined;
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const whole = (value) => (unknown(value) ? "–" : WHOLE.format(value));
const short = (value) => (unknown(value) ? "–" : Math.abs(value) >= 100 ? WHOLE.format(value) : SHORT.format(value));
const perSecond = (value) =>
  unknown(value) ? "–" : value === 0 || value >= 1 ? `${short(value)}/s` : `${short(value * 60)}/min`;
const STEPS = [[86400, "d"], [3600, "h"], [60, "min"]];
function duration(seconds) {
  if (unknown(seconds)) return "–";
  const step = STEPS.find(([length]) => seconds >= 2 * length);
  return step ? `${whole(seconds / step[0])} ${step[1]}` : `${seconds && seconds < 10 ? seconds.toFixed(1) : whole(seconds)} s`;
}
const clock = (unix) => new Date(unix * 1000).toLocaleTimeString([], { hour12: false });
const state = (up) => (unknown(up) ? "–" : up ? "up" : "down");
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
function make(tag, text, kind) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}
const shown = new Map();
/** Fills an element anew, only when what it shows has changed. */
function fill(id, data, build) {
  const key = JSON.stringify(data);
  if (shown.get(id) === key) return;
  shown.set(id, key);
  by(id).replaceChildren(...build(data));
}
const items = (texts) => texts.map((text) => make("li", text));
const lines = (texts) => texts.filter(Boolean).map((text, place) => make("span", text, place ? "line quiet" : "line"));

// Plots: one line each over the last 15 minutes.
const PLOTS = [
  { part: "source", title: "Events from the hub", name: "source_events_per_second", words: perSecond },
  { part: "source", title: "Records in Kafka", name: "source_records_acked_per_second", words: perSecond },
  { part: "source", title: "Events waiting in the hub", name: "source_lag_events", words: whole },
  { part: "source", title: "Behind the hub by", name: "source_lag_seconds", words: duration },
  { part: "sink", title: "Commands to the hub", name: "sink_commands_per_second", limit: "sink_rate_limit_per_second", words: perSecond },
  { part: "sink", title: "Commands waiting in Kafka", name: "sink_lag_records", words: whole },
];
const SVG = "http://www.w3.org/2000/svg";

function makePlot(plot) {
  const figure = make("figure"), caption = make("figcaption"), axis = make("p", undefined, "axis");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const path = (kind) => {
    const element = document.createElementNS(SVG, "path");
    element.setAttribute("class", kind);
    svg.append(element);
    return element;
  };
  plot.area = path("area");
  plot.line = path("line");
  plot.dashes = path("limit");
  plot.now = make("b");
  plot.most = make("span");
  plot.svg = svg;
  plot.figure = figure;
  caption.append(make("span", plot.title), plot.now);
  axis.append(make("span", "15 min ago"), plot.most, make("span", "now"));
  figure.append(caption, svg, axis);
  by("plots").append(figure);
}

/** Stretches of points without a gap: a value that is unknown, or a time without samples, begins a new one. */
function stretches(times, values, end, most, gap) {
  const found = [];
  let open = null, before = null;
  for (let place = 0; place < times.length; place += 1) {
    const value = values[place];
    if (unknown(value) || times[place] < end - HISTORY_SECONDS) { open = null; continue; }
    if (open === null || times[place] - before > gap) found.push((open = []));
    before = times[place];
    const x = WIDTH * (1 - (end - times[place]) / HISTORY_SECONDS);
    open.push([x.toFixed(1), (HEIGHT - 1 - (HEIGHT - 5) * (value / most)).toFixed(1)]);
  }
  return found;
}
const trace = (points) => `M${points.map((point) => point.join(" ")).join("L")}${points.length === 1 ? "h.5" : ""}`;
const under = (points) => `M${points[0][0]} ${HEIGHT}L${points.map((point) => point.join(" ")).join("L")}L${points.at(-1)[0]} ${HEIGHT}Z`;

function drawPlot(plot, history, gap) {
  const times = history.time ?? [], values = history[plot.name] ?? [], limits = plot.limit ? history[plot.limit] ?? [] : [];
  const known = values.filter((value) => !unknown(value));
  const now = values.at(-1), limit = limits.at(-1);
  const largest = known.length ? Math.max(...known) : 0;
  const most = Math.max(largest, ...limits.filter((value) => !unknown(value))) || 1;
  const end = times.at(-1) ?? 0;
  const found = stretches(times, values, end, most, gap);
  plot.line.setAttribute("d", found.map(trace).join(""));
  plot.area.setAttribute("d", found.map(under).join(""));
  plot.dashes.setAttribute("d", stretches(times, limits, end, most, gap).map(trace).join(""));
  const allowed = unknown(limit) ? "" : `, ${plot.words(limit)} allowed`;
  set(plot.now, plot.words(now));
  set(plot.most, known.length ? `most ${plot.words(largest)}${allowed}` : "nothing known");
  const range = known.length ? `between ${plot.words(Math.min(...known))} and ${plot.words(largest)} in the last 15 minutes` : "nothing known yet";
  plot.svg.setAttribute("aria-label", `${plot.title}: now ${plot.words(now)}${allowed}; ${range}`);
}

// Tables that are sorted by a column; their rows stay and change their text.
class Table {
  constructor(name, noun, columns, worst) {
    this.name = name;
    this.noun = noun;
    this.columns = columns;
    this.worst = worst;
    this.chosen = null;
    this.all = false;
    this.rows = [];
    this.table = by(`${name}-table`);
    this.button = by(`${name}-all`);
    this.button.addEventListener("click", () => { this.all = !this.all; this.draw(); });
    const head = make("tr");
    for (const column of columns) {
      const cell = make("th", undefined, column.kind), button = make("button", column.title);
      cell.scope = "col";
      button.type = "button";
      button.addEventListener("click", () => this.sort(column));
      cell.append(button);
      head.append(cell);
    }
    this.table.tHead.append(head);
  }

  sort(column) {
    const same = this.order.column === column;
    this.chosen = { column, down: same ? !this.order.down : column !== this.columns[0] };
    this.draw();
  }

  get order() {
    const many = this.rows.length > ROWS;
    return this.chosen ?? { column: many ? this.worst : this.columns[0], down: many };
  }

  show(rows) {
    this.rows = rows;
    this.draw();
  }

  draw() {
    const { column, down } = this.order, first = this.columns[0];
    const sorted = [...this.rows].sort((one, other) => compare(column, one, other, down) || compare(first, one, other, false));
    const some = this.all ? sorted : sorted.slice(0, ROWS);
    [...this.table.tHead.rows[0].cells].forEach((cell, place) => {
      if (this.columns[place] === column) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    const body = this.table.tBodies[0];
    while (body.rows.length > some.length) body.lastElementChild.remove();
    while (body.rows.length < some.length) body.append(this.makeRow());
    some.forEach((row, place) => {
      const cells = body.rows[place].cells;
      this.columns.forEach((each, index) => set(cells[index], each.words(row[each.name])));
      body.rows[place].className = row.up === false ? "bad" : "";
    });
    const hidden = sorted.length - some.length;
    set(this.table.caption, `${plural(sorted.length, this.noun)}${hidden ? `, ${some.length} of them shown` : ""}; a column's name sorts by it`);
    this.button.hidden = sorted.length <= ROWS;
    set(this.button, hidden ? `Show all ${whole(sorted.length)}` : `Show ${ROWS} only`);
  }

  makeRow() {
    const row = make("tr");
    this.columns.forEach((column, index) => {
      const cell = make(index ? "td" : "th", undefined, column.kind);
      if (!index) cell.scope = "row";
      row.append(cell);
    });
    return row;
  }
}
function compare(column, one, other, down) {
  const left = one[column.name], right = other[column.name];
  if (unknown(left) || unknown(right)) return unknown(left) - unknown(right);
  const order = typeof left === "string" ? left.localeCompare(right, "en", { numeric: true }) : left - right;
  return down ? -order : order;
}
const text = (value) => value ?? "–";
const LAG = { name: "lag_events", title: "lag", words: whole };
const partitions = new Table("partition", "partition", [
  { name: "partition", title: "partition", words: text },
  { name: "up", title: "state", words: state },
  { name: "events_per_second", title: "events/s", words: short },
  LAG,
  { name: "data_age_seconds", title: "data age", words: duration },
  { name: "checkpoint_age_seconds", title: "checkpoint age", words: duration, kind: "wide" },
  { name: "replay_events", title: "replay", words: whole, kind: "wide" },
  { name: "seconds_until_data_loss", title: "data loss in", words: duration, kind: "wide" },
  { name: "dead_letters", title: "dead letters", words: whole, kind: "wide" },
  { name: "restarts", title: "restarts", words: whole, kind: "wide" },
], LAG);
const WAITING = { name: "lag_records", title: "lag", words: whole };
const workers = new Table("worker", "process", [
  { name: "worker", title: "process", words: text },
  { name: "up", title: "state", words: state },
  { name: "commands_per_second", title: "commands/s", words: short },
  { name: "in_flight", title: "in flight", words: whole },
  WAITING,
  { name: "throttled", title: "throttled", words: whole, kind: "wide" },
  { name: "dead_letters", title: "dead letters", words: whole, kind: "wide" },
  { name: "restarts", title: "restarts", words: whole, kind: "wide" },
], WAITING);

const STATES = {
  ready: ["good", "ready"],
  starting: ["warn", "starting"],
  not_ready: ["warn", "not ready"],
  stopping: ["warn", "stopping: it saves what it holds"],
  stuck: ["bad", "stuck: its loop does not move"],
};
function badge(kind, words) {
  by("state").className = `badge ${kind}`;
  set(by("state"), words); // a live region: it speaks when this changes
}

function show(data) {
  const [kind, words] = STATES[data.state] ?? ["warn", data.state];
  badge(kind, words);
  document.body.classList.remove("gone");
  const title = `ingest ${data.node ?? ""}: ${words}`;
  if (document.title !== title) document.title = title;
  set(by("node"), data.node ?? "");
  set(by("about"), `ingest ${data.ingest ?? ""}${data.started ? `, up for ${duration(data.time - data.started)}` : ""}.`);
  showNow(data);
  showFlow(data);
  showCluster(data.cluster);
  for (const plot of PLOTS) {
    plot.figure.hidden = !runs(data, plot.part);
    if (!plot.figure.hidden) drawPlot(plot, data.history ?? {}, 3.5 * (data.interval_seconds ?? POLL_SECONDS));
  }
  by("partitions").hidden = !data.partitions?.length;
  partitions.show(data.partitions ?? []);
  by("workers").hidden = !data.workers?.length;
  workers.show(data.workers ?? []);
  showPace(data);
  showDeadLetters(data.dead_letters ?? {});
  showWarnings(data.warnings ?? []);
  for (const region of document.querySelectorAll(".scroll")) {
    // Only what scrolls is a stop for the keyboard.
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  }
}
const runs = (data, part) => Boolean(data[part]) || Boolean((part === "source" ? data.partitions : data.workers)?.length);
const sum = (rows, name) => rows.reduce((total, row) => total + (row[name] ?? 0), 0);

function showNow(data) {
  fill("limits", (data.limited_by ?? "").split("; "), (parts) => items(parts.map(sentence)));
  // Ten partitions without a broker report the same reason ten times.
  const places = new Map();
  for (const line of data.unready ?? []) {
    const cut = line.indexOf(": "), place = cut < 0 ? line : line.slice(0, cut), reason = cut < 0 ? "" : line.slice(cut + 2);
    places.set(reason, [...(places.get(reason) ?? []), place]);
  }
  const reasons = [...places].map(([reason, where]) => {
    const named = where.length > REASONS ? `${where.slice(0, REASONS).join(", ")} and ${where.length - REASONS} more` : where.join(", ");
    return reason ? `${named}: ${reason}` : named;
  });
  const more = reasons.length - REASONS;
  by("unready").hidden = !reasons.length;
  fill("reasons", more > 0 ? [...reasons.slice(0, REASONS), `and ${more} more`] : reasons, items);
  by("note").hidden = !data.note;
  set(by("note"), data.note ?? "");
}

function showFlow(data) {
  const source = data.source ?? {}, sink = data.sink ?? {}, rows = data.partitions ?? [], senders = data.workers ?? [];
  const last = (name) => (data.history?.[name] ?? []).at(-1);
  const up = (all) => all.filter((row) => row.up).length;
  by("flow-source").hidden = !runs(data, "source");
  by("flow-sink").hidden = !runs(data, "sink");
  by("flow-none").hidden = runs(data, "source") || runs(data, "sink");
  fill("flow-hub", [source.event_hub ?? source.hub, source.event_hub && source.hub, source.consumer_group && `consumer group ${source.consumer_group}`, `${whole(sum(rows, "lag_events"))} events wait`], lines);
  fill("flow-partitions", [`${up(rows)} of ${plural(rows.length, "partition")} up`, `${perSecond(last("source_events_per_second"))} received`], lines);
  fill("flow-topic", [source.topic, `${perSecond(last("source_records_acked_per_second"))} acknowledged`, source.delivery?.replaceAll("_", " "), source.dead_letter_topic && `dead letters: ${source.dead_letter_topic}`, source.kafka?.split(",").join(", ")], lines);
  fill("flow-commands", [(sink.topics ?? []).join(", "), sink.group_id && `consumer group ${sink.group_id}`, `${whole(sum(senders, "lag_records"))} commands wait`], lines);
  fill("flow-workers", [`${up(senders)} of ${plural(senders.length, "process")} up`, `${whole(sum(senders, "in_flight"))} in flight`, sink.dead_letter_topic && `dead letters: ${sink.dead_letter_topic}`], lines);
  fill("flow-devices", [sink.hub, `${perSecond(last("sink_commands_per_second"))} sent`, sink.feedback_topic && `feedback: ${sink.feedback_topic}`], lines);
}

const FACTS = {
  group: "Group", members: "Nodes", partitions: "Partitions of the hub", partitions_owned: "Partitions of this node",
  rebalances_total: "Shared out anew",
};
function showCluster(cluster) {
  by("cluster").hidden = !cluster;
  if (!cluster) return;
  const { nodes, ...facts } = cluster;
  const plain = Object.entries(facts).filter(([, value]) => typeof value !== "object");
  fill("cluster-facts", plain, (found) =>
    found.map(([name, value]) => {
      const pair = make("div");
      const number = typeof value === "number";
      const words = make("dd", number ? whole(value) : String(value), number ? "" : "words");
      pair.append(make("dt", FACTS[name] ?? sentence(name.replaceAll("_", " "))), words);
      return pair;
    }));
  fill("cluster-nodes", nodes ?? [], (found) =>
    found.map((one) => {
      const item = make("li"), owned = one.partitions ?? [];
      const name = one.url ? `${one.node} at ${one.url.replace("http://", "")}` : one.node;
      item.append(make("b", name), `: ${plural(owned.length, "partition")}${owned.length ? `, ${owned.join(", ")}` : ""}`);
      return item;
    }));
}

function showPace(data) {
  const limit = data.rate_limit_per_second, meter = by("pace-meter");
  const sent = sum(data.workers ?? [], "commands_per_second");
  meter.hidden = unknown(limit) || limit <= 0;
  if (!meter.hidden) meter.value = Math.min(1, sent / limit);
  set(by("pace"), `${perSecond(sent)} sent${meter.hidden ? "" : `, of ${perSecond(limit)} that the hub's limit allows this node`}.`);
}

const DIRECTIONS = { source: "telemetry", sink: "commands" };
function showDeadLetters(found) {
  const rows = Object.entries(found).flatMap(([part, reasons]) =>
    Object.entries(reasons).map(([reason, count]) => [DIRECTIONS[part] ?? part, reason.replaceAll("_", " "), whole(count)]));
  by("dead-none").hidden = rows.length > 0;
  by("dead-scroll").hidden = !rows.length;
  const table = by("dead-table");
  if (shown.get("dead") === JSON.stringify(rows)) return;
  shown.set("dead", JSON.stringify(rows));
  const build = (texts, heading) => {
    const row = make("tr");
    row.append(...texts.map((value, place) => {
      const cell = make(heading || !place ? "th" : "td", value, place < 2 ? "words" : "");
      if (cell.tagName === "TH") cell.scope = heading ? "col" : "row";
      return cell;
    }));
    return row;
  };
  table.tHead.replaceChildren(build(["direction", "reason", "dead letters"], true));
  table.tBodies[0].replaceChildren(...rows.map((row) => build(row, false)));
}

function showWarnings(found) {
  by("warnings-none").hidden = found.length > 0;
  fill("warnings-list", found, () => found.map((one) => {
    const item = make("li"), head = make("span", undefined, "quiet"), time = make("time", clock(one.time));
    time.dateTime = new Date(one.time * 1000).toISOString();
    head.append(time, ` ${one.level}, ${one.process}${one.times > 1 ? `, ${whole(one.times)} times` : ""}`);
    item.append(head, one.message);
    return item;
  }));
}

// Asking: again and again while somebody looks.
let seen = null; // when the last answer came
let timer = 0, asking = false;

function showSeen() {
  if (seen === null) return;
  const ago = (performance.now() - seen.at) / 1000;
  set(by("seen"), `${document.body.classList.contains("gone") ? "last seen" : "as of"} ${clock(seen.unix)}${ago >= 2 * POLL_SECONDS ? `, ${duration(ago)} ago` : ""}`);
}
async function ask() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  try {
    const data = await answered();
    if (data) show(data);
    else gone();
  } finally {
    asking = false;
    showSeen();
    if (!document.hidden) timer = setTimeout(ask, POLL_SECONDS * 1000);
  }
}
/** What the service says now; null if it says nothing, or nothing that can be read. */
async function answered() {
  try {
    const answer = await fetch("status.json", { cache: "no-cache", signal: AbortSignal.timeout(ANSWER_SECONDS * 1000) });
    if (!answer.ok) return null;
    const data = await answer.json();
    seen = { at: performance.now(), unix: data.time };
    return data;
  } catch {
    return null;
  }
}
function gone() {
  document.body.classList.add("gone");
  badge("bad", seen === null ? "no answer" : "no answer: what is below was true when it was last seen");
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else ask();
});
PLOTS.forEach(makePlot);
setInterval(showSeen, 1000);
ask();
