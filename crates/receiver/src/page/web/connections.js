// Connections, and the latest lines as they came: of all, or of one.

const tail = { number: 0, isPaused: false, drawn: null };
const MOST_SHOWN = 300;

function beginConnections() {
  tail.rows = el("tbody");
  tail.lines = el("pre.tail", { tabindex: "0", "aria-label": "Latest lines", role: "log" });
  tail.title = el("h2", {}, "Latest lines");
  tail.pause = el("button", { type: "button", "aria-pressed": "false", click: togglePause }, "Pause");
  tail.all = el("button", { type: "button", hidden: true, click: () => chooseConnection(0) }, "All connections");
  tail.note = el("p.note");
  const head = ["", "peer", "wire", "since", "last heard", "lines", "requests", "bytes", "refused", "state"];
  put(id("view-connections"), el("div.connections", {},
    el("div.table", {}, el("table", {},
      el("caption", {}, "Connections"),
      el("thead", {}, el("tr", {}, head.map((name, index) => el(index > 4 && index < 9 ? "th.number" : "th", { scope: "col" }, name || el("span.hidden", {}, "number"))))),
      tail.rows), tail.note),
    el("div.tail-box", {}, el("div.bar", {}, tail.title, tail.all, tail.pause), tail.lines)));
  viewers.push((part) => {
    say(id("total-open"), count(model.open));
    if (!viewIs("connections")) return;
    if (part.connections) drawConnections();
    if (part.lines && part.lines.length && !tail.isPaused) drawLines();
  });
}

function togglePause() {
  tail.isPaused = !tail.isPaused;
  tail.pause.setAttribute("aria-pressed", String(tail.isPaused));
  say(tail.pause, tail.isPaused ? "Go on" : "Pause");
  if (!tail.isPaused) drawLines();
}

function drawConnections() {
  const refusals = new Map();
  for (const one of model.refused) {
    if (one.by) refusals.set(one.by.number, (refusals.get(one.by.number) || 0) + 1);
  }
  const all = [...model.connections].sort((a, b) => Boolean(a.ended) - Boolean(b.ended) || b.number - a.number);
  const focused = tail.rows.contains(document.activeElement) ? document.activeElement.dataset.number : null;
  fill(tail.rows, all.map((one) => {
    const isChosen = one.number === tail.number;
    const number = refusals.get(one.number) || 0;
    return el(one.ended ? "tr.ended" : "tr", { "aria-selected": String(isChosen) },
      el("td", {}, el("button.text", { type: "button", "data-number": one.number, "aria-label": `Lines of connection ${one.number}`,
        click: () => chooseConnection(isChosen ? 0 : one.number) }, `#${one.number}`)),
      el("td.code", {}, one.peer), el("td", {}, one.wire || "silent"), el("td", {}, clock(one.opened)),
      el("td", {}, one.ended ? clock(one.heard) : lasting(model.now - one.heard)),
      el("td.number", {}, count(one.lines)), el("td.number", {}, count(one.requests)), el("td.number", {}, short(one.bytes)),
      el(number ? "td.number.bad" : "td.number", {}, number ? count(number) : ""),
      el("td", {}, one.ended
        ? el(one.how === "closed" ? "span.state" : "span.state.bad", {}, `${one.how} after ${lasting(one.ended - one.opened)}`)
        : el("span.state.good", {}, "open")));
  }));
  if (focused) tail.rows.querySelector(`[data-number="${Number(focused)}"]`)?.focus();
  say(tail.note, all.length ? "" : "Nobody has connected yet.");
}

function chooseConnection(number) {
  tail.number = number;
  tail.all.hidden = !number;
  say(tail.title, number ? `Latest lines of #${number}` : "Latest lines");
  drawConnections();
  drawLines();
}

function drawLines() {
  const isAtEnd = tail.lines.scrollHeight - tail.lines.scrollTop - tail.lines.clientHeight < 40;
  const lines = model.lines.filter(([number]) => !tail.number || number === tail.number).slice(-MOST_SHOWN);
  fill(tail.lines, lines.flatMap(([number, leftOut, text]) => [
    leftOut ? el("span.left-out", {}, `… ${count(leftOut)} more lines\n`) : null,
    el("span.from", {}, `#${number} `), `${text}\n`,
  ]));
  if (!lines.length) fill(tail.lines, el("span.left-out", {}, "No line has come."));
  if (isAtEnd) tail.lines.scrollTop = tail.lines.scrollHeight;
}
