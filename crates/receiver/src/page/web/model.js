// The model: what the server has told so far. One stream of events; views read it, and are called when it changed.

const model = {
  stream: 0,
  server: "",
  servers: [],
  most: 0,
  now: 0,
  series: 0,
  points: 0,
  counts: {},
  /** By slot: see `takeRow`. Empty where there is none. */
  rows: [],
  /** Rows that came or went since the list was last put in order. */
  fresh: [],
  gone: false,
  listed: 0,
  /** How many rows there ever were: each has its number as its `order`. */
  made: 0,
  /** All that was there when the stream began has been told. */
  isCaughtUp: false,
  /** Latest last, at most `MOST_REFUSED`. */
  refused: [],
  collisions: [],
  connections: [],
  open: 0,
  lines: [],
  faults: null,
  /** Each second or so: {now, counts, accepted, refused, throttled, faulty}. */
  history: [],
  rate: 0,
};

const MOST_REFUSED = 1000;
const MOST_LINES = 2000;
const MOST_HISTORY = 600;

/** Views: functions that are called after each part, with the part. */
const viewers = [];

/** Takes one row of a part; returns it, or null if its series is gone. */
function takeRow(packed) {
  const slot = packed[0];
  let row = model.rows[slot];
  if (packed.length === 1) {
    if (row) forget(row);
    return null;
  }
  const isNamed = packed.length > 7;
  if (isNamed) {
    const name = packed.slice(7);
    if (!row || row.name.length !== name.length || row.name.some((text, index) => text !== name[index])) {
      if (row) forget(row);
      row = newRow(slot, name);
    }
  }
  if (!row) return null;
  const hadPoints = row.points > 0;
  [, row.value, row.timestamp, row.seen, , row.points, row.flips] = packed;
  measure(row, packed[4]);
  if (row.points > 0 && !hadPoints) {
    row.shownSince = model.isCaughtUp ? performance.now() : 0;
    model.fresh.push(row);
    model.listed += 1;
  } else if (row.points === 0 && hadPoints) {
    model.gone = true;
    model.listed -= 1;
  }
  return row;
}

function newRow(slot, name) {
  const tags = [];
  for (let index = 1; index < name.length; index += 2) tags.push([name[index], name[index + 1]]);
  const tagText = tags.map(([key, value]) => `${key}=${value}`).join(" ");
  const row = {
    slot, name, metric: name[0], tags, tagText,
    text: `${name[0]} ${tagText}`.toLowerCase(),
    value: "", timestamp: 0, seen: 0, came: 0, points: 0, flips: 0,
    rate: null, base: null, values: null, shownSince: 0, isGone: false, order: (model.made += 1),
  };
  model.rows[slot] = row;
  return row;
}

function forget(row) {
  if (row.points > 0) model.listed -= 1;
  row.isGone = true;
  model.gone = true;
  delete model.rows[row.slot];
}

/** How often points come, over the last ten seconds or so. */
function measure(row, came) {
  const now = performance.now();
  const more = (came - row.came) >>> 0;
  row.came = came;
  // From the first point that comes on, not from the first look: the time between the two would be missing.
  if (!more) return;
  if (!row.base || more > 2 ** 31) {
    row.base = row.points > 0 ? [now, came] : null;
    return;
  }
  const time = (now - row.base[0]) / 1000, points = (came - row.base[1]) >>> 0;
  if (time >= 0.7) row.rate = points / time;
  if (time > 10) row.base = [now, came];
}

/** The rate of a row, none if it fell silent. */
function rateOf(row) {
  if (row.rate == null) return null;
  const silent = model.now / 1000 - row.seen;
  return silent > Math.max(5, 3 / row.rate) ? null : row.rate;
}

/** Takes a part of the stream. */
function take(part) {
  if (part.hello) begin(part.hello);
  for (const packed of part.rows) takeRow(packed);
  // From here on what comes is new; what came so far has been there all along.
  if (part.whole) model.isCaughtUp = true;
  for (const [slot, values] of part.latest || []) {
    if (model.rows[slot]) model.rows[slot].values = values;
  }
  if (part.counts) takeCounts(part);
  if (part.refused && part.refused.length) {
    model.refused.push(...part.refused);
    model.refused.splice(0, Math.max(0, model.refused.length - MOST_REFUSED));
  }
  if (part.lines && part.lines.length) {
    model.lines.push(...part.lines);
    model.lines.splice(0, Math.max(0, model.lines.length - MOST_LINES));
  }
  for (const name of ["collisions", "connections", "open", "faults"]) {
    if (part[name] !== undefined) model[name] = part[name];
  }
  for (const viewer of viewers) viewer(part);
}

/** A stream begins, the first or after the server was away: all is told anew. */
function begin(hello) {
  model.rows.forEach((row) => { row.isGone = true; });
  Object.assign(model, {
    stream: hello.stream, server: hello.server, servers: hello.servers, most: hello.most, rows: [], fresh: [], gone: true, listed: 0,
    refused: [], collisions: [], connections: [], lines: [], isCaughtUp: false,
  });
}

function takeCounts(part) {
  const { now, counts } = part;
  Object.assign(model, { now, series: part.series, points: part.points, counts });
  const last = model.history.at(-1);
  const seconds = last ? (now - last.now) / 1000 : 0;
  if (last && (seconds < 0.9 || counts.puts < last.counts.puts)) {
    if (counts.puts < last.counts.puts) model.history = [];
    return;
  }
  // Nothing is known of the time before the first.
  const rate = (name) => (last ? (counts[name] - last.counts[name]) / seconds : null);
  model.history.push({
    now, counts,
    accepted: rate("accepted"), refused: rate("refused"), throttled: rate("throttled") + rate("discarded"),
    faulty: isFaulty(),
  });
  model.history.splice(0, Math.max(0, model.history.length - MOST_HISTORY));
  model.rate = rate("puts") || 0;
}

/** Whether any fault is on. */
function isFaulty() {
  const faults = model.faults;
  if (!faults) return false;
  return Boolean(faults.is_down || faults.is_stalled || faults.stall_answers || faults.status || faults.throttle
    || faults.lose_answers || faults.cut_answers || faults.refuse_points.length);
}

/** Follows the server; the browser connects again by itself. */
let source = null;
function follow() {
  source = new EventSource("potsdb/page/stream");
  source.onmessage = (event) => take(JSON.parse(event.data));
  source.onopen = () => linked("live");
  source.onerror = () => linked(source.readyState === EventSource.CLOSED ? "closed" : "away");
}

/** A tab that nobody looks at for long lets go: a browser has few connections for all its tabs. */
const LEFT_ALONE = 600_000;
let leftTimer = 0;
function followWhileSeen() {
  clearTimeout(leftTimer);
  if (document.hidden) {
    leftTimer = setTimeout(() => {
      source.close();
      linked("closed");
    }, LEFT_ALONE);
  } else if (source.readyState === EventSource.CLOSED) follow();
}

function linked(state) {
  const link = id("link");
  link.dataset.state = state;
  say(link, { live: "live", away: "server away", closed: "not served" }[state]);
}

// What this page shows now, told when it has changed and rested for a moment.
let wished = "", wishTimer = 0;
function wish() {
  if (wishTimer) return;
  wishTimer = setTimeout(async () => {
    wishTimer = 0;
    const wanted = { stream: model.stream, rows: visibleSlots(), lines: view.name === "connections", connections: view.name === "connections" };
    const text = JSON.stringify(wanted);
    if (text === wished || !model.stream) return;
    wished = text;
    await tell("watch", wanted).catch(() => { wished = ""; });
  }, 60);
}
