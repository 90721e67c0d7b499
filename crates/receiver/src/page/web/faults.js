// Faults: the server misbehaves by click, beside a chart of what arrives meanwhile.

const faults = { chart: null, last: null, controls: [] };

/** A fault that lasts some seconds, and ends by itself: the page could not reach the server to end it. */
const timed = (fault, name, about, isOn, left) => ({ fault, name, about, kind: "timed", isOn, left });
/** One that strikes a share of its occasions. */
const shared = (fault, name, about, more) => ({ fault, name, about, kind: "share", isOn: (state) => state[fault] !== 0, ...more });

const FAULTS = [
  timed("down", "Outage", "Closes the port and resets every connection. Points younger than --forget are lost.", (state) => state.is_down, (state) => state.down),
  timed("stall_reading", "Stop reading", "Connections stand, and nothing is read from them.", (state) => state.is_stalled, (state) => state.stall_reading),
  { fault: "stall_answers", name: "Stop answering", about: "Points are taken, and no answer is written.", kind: "switch", isOn: (state) => state.stall_answers },
  shared("status", "Fail HTTP requests", "Answers with this status, and stores nothing.", { codes: [503, 500, 429, 401, 404, 400] }),
  shared("throttle", "Throttle", "Drops points as OpenTSDB does when its storage is slow.", { only: "opentsdb" }),
  shared("lose_answers", "Lose answers", "Stores the points, and never says so."),
  shared("cut_answers", "Reset in place of answers", "Stores the points, and resets the connection."),
  { fault: "refuse_points", name: "Refuse metrics", about: "As unknown ones. web.* is every metric that begins so.", kind: "metrics", isOn: (state) => state.refuse_points.length > 0 },
  { fault: "restart", name: "Restart", about: "Resets every connection and listens again.", kind: "once" },
  { fault: "reset_all", name: "Reset connections", about: "Resets those that are open now, as a firewall does.", kind: "once" },
];

function beginFaults() {
  faults.place = el("div.chart", { "data-legend": "on" });
  faults.now = el("p.note");
  const none = el("button", { type: "button", click: () => order({ fault: "none" }, "Every fault is off") }, "End every fault");
  put(id("view-faults"),
    el("div.rehearsal", {}, el("div.bar", {}, el("h2", {}, "What arrives"), faults.now, none), faults.place),
    el("div.fault-cards", {}, FAULTS.map(faultCard)));
  viewers.push((part) => {
    if (part.faults) showFaults();
    if (viewIs("faults")) drawArrivals();
  });
}

async function order(wanted, what) {
  try {
    await tell("faults", wanted);
    announce(what);
  } catch (error) {
    announce(error.message);
  }
}

function faultCard(fault) {
  const card = el("section.fault", { "data-fault": fault.fault }, el("h3", { id: `fault-${fault.fault}` }, fault.name), el("p", {}, fault.about));
  const control = { fault, card };
  const switched = el("button.switch", { type: "button", role: "switch", "aria-checked": "false", "aria-labelledby": `fault-${fault.fault}` }, "Off");
  const pick = (label, choices) => el("select", { "aria-label": `${fault.name}: ${label}` }, choices.map(([value, text]) => el("option", { value }, text)));
  const isOn = () => switched.getAttribute("aria-checked") === "true";
  const said = (on) => `${fault.name}: ${on ? "on" : "off"}`;
  if (fault.kind === "once") {
    put(card, el("div.fault-controls", {}, el("button", { type: "button", click: () => order({ fault: fault.fault }, fault.name) }, "Now")));
  } else {
    let wanted = (on) => ({ fault: fault.fault, on });
    const chosen = [];
    if (fault.kind === "timed") {
      const seconds = pick("for how long", [[5, "5 s"], [15, "15 s"], [60, "1 min"], [300, "5 min"]]);
      chosen.push(seconds);
      wanted = (on) => ({ fault: fault.fault, seconds: on ? Number(seconds.value) : 0 });
    } else if (fault.kind === "share") {
      const share = pick("of how many", [[100, "all"], [50, "50 %"], [10, "10 %"], [1, "1 %"]]);
      const code = fault.codes && pick("status", fault.codes.map((each) => [each, String(each)]));
      chosen.push(code, share);
      wanted = (on) => ({ fault: fault.fault, share: on ? Number(share.value) : 0, code: code ? Number(code.value) : undefined });
      for (const select of [share, code]) {
        if (select) select.addEventListener("change", () => isOn() && order(wanted(true), said(true)));
      }
    } else if (fault.kind === "metrics") {
      const metrics = el("input", { type: "text", placeholder: "web.*", "aria-label": "Which metrics", spellcheck: "false" });
      metrics.value = "*";
      chosen.push(metrics);
      wanted = (on) => ({ fault: fault.fault, metrics: on ? metrics.value.split(/[\s,]+/) : [] });
    }
    switched.addEventListener("click", () => order(wanted(!isOn()), said(!isOn())));
    put(card, el("div.fault-controls", {}, chosen, switched));
    control.switched = switched;
  }
  faults.controls.push(control);
  return card;
}

function showFaults() {
  const state = model.faults;
  for (const { fault, card, switched } of faults.controls) {
    card.hidden = Boolean(fault.only && fault.only !== model.server);
    if (!switched) continue;
    const isOn = Boolean(fault.isOn(state));
    card.classList.toggle("on", isOn);
    switched.setAttribute("aria-checked", String(isOn));
    const left = fault.left ? fault.left(state) : 0;
    say(switched, isOn ? (left ? `On, ${left} s more` : "On") : "Off");
  }
  const on = faults.controls.filter(({ fault, switched }) => switched && fault.isOn(state)).map(({ fault }) => fault.name);
  say(faults.now, on.length ? `On: ${on.join(", ")}` : "");
  id("badge-faults").hidden = !on.length;
  say(id("badge-faults"), String(on.length));
}

function drawArrivals() {
  const last = model.history.at(-1);
  if (faults.chart && last === faults.last) return;
  faults.last = last;
  // What came before the first is not known.
  const history = model.history.slice(1);
  const data = [history.map((one) => one.now / 1000), ...["accepted", "refused", "throttled"].map((name) => history.map((one) => one[name]))];
  if (faults.chart) {
    faults.chart.setData(data);
    return;
  }
  const line = (label, name) => ({ label, stroke: colour(name), width: 1.5, points: { show: false }, value: (_, value) => (value == null ? "" : `${short(value)}/s`) });
  faults.chart = plot(faults.place, [{ ...line("taken", "accent"), fill: colour("accent-faint") }, line("refused", "bad"), line("dropped", "warn")],
    data, 200, { drawClear: [shadeFaults] });
}

/** Shades the time in which a fault was on. */
function shadeFaults(chart) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.fillStyle = colour("bad-faint");
  model.history.forEach((one, index) => {
    if (!one.faulty || !index) return;
    const next = model.history[index + 1] || one;
    const left = Math.max(bbox.left, chart.valToPos(one.now / 1000, "x", true));
    const right = Math.min(bbox.left + bbox.width, chart.valToPos(next.now / 1000, "x", true));
    ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
  });
  ctx.restore();
}
