// One series: its chart, its latest points, and how to say it in other words.

const detail = { row: null, chart: null, parts: null, came: -1, fetchedAt: 0, isFetching: false };

function showDetail(row) {
  detail.row = row;
  detail.came = -1;
  detail.fetchedAt = 0;
  document.body.classList.add("has-detail");
  const parts = (detail.parts = {
    facts: el("dl.facts"), chart: el("div.chart"), points: el("tbody"), note: el("p.note"),
  });
  const point = () => ({ metric: row.metric, tags: row.tags, value: row.value, timestamp: row.timestamp });
  fill(id("detail"),
    el("div.detail-head", {},
      el("h2", {}, row.metric),
      el("button.close", { type: "button", "aria-label": "Close", title: "Close (Esc)", click: hideDetail }, "×")),
    el("ul.tags", { "aria-label": "Tags" }, row.tags.map(([key, value]) => el("li", {}, el("span", {}, key), el("b", {}, value)))),
    parts.facts, parts.chart, parts.note, copyButtons(point),
    el("div.table", {}, el("table", {},
      el("caption", {}, "Latest points ",
        el("a", { href: `potsdb/page/export?slot=${row.slot}`, download: "points.txt" }, "export")),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "time"), el("th", { scope: "col" }, "timestamp"),
        el("th.number", { scope: "col" }, "value"), el("th.number", { scope: "col" }, "copies"))),
      parts.points)));
  drawChart(null);
  fetchPoints();
  wish();
}

function hideDetail() {
  if (!detail.row) return;
  detail.row = null;
  list.chosen = null;
  if (detail.chart) detail.chart.destroy();
  detail.chart = null;
  document.body.classList.remove("has-detail");
  showNothing();
  render();
  id("rows").focus();
}

function showNothing() {
  fill(id("detail"), el("div.nothing", {}, el("p", {}, "Choose a series to see its chart and its points."),
    el("p", {}, el("kbd", {}, "↑"), " ", el("kbd", {}, "↓"), " and ", el("kbd", {}, "Enter"), " do, too.")));
}

/** Fetches the points again when more came, twice a second at most. */
async function fetchPoints() {
  const { row } = detail;
  if (!row || detail.isFetching || row.came === detail.came || performance.now() - detail.fetchedAt < 500) return;
  detail.isFetching = true;
  detail.fetchedAt = performance.now();
  const { came } = row;
  try {
    const answer = await fetch(`potsdb/page/points?slot=${row.slot}`);
    if (!answer.ok) throw new Error("gone");
    const points = await answer.json();
    const isSame = points.metric === row.metric && row.tags.flat().every((text, index) => text === points.tags[index]);
    if (detail.row === row && isSame) {
      detail.came = came;
      showPoints(row, points);
    }
  } catch {
    if (detail.row === row) say(detail.parts.note, "Its points are not there any more.");
  }
  detail.isFetching = false;
}

function showPoints(row, points) {
  const { parts } = detail;
  const facts = [
    ["last value", row.value], ["points", count(points.all)], ["arrived", count(row.came)],
    ["rate", often(rateOf(row)) || "silent"], ["last arrival", row.seen ? clock(row.seen * 1000) : "from a journal"],
  ];
  fill(parts.facts, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  const notes = [];
  if (points.all > points.times.length) notes.push(`The chart has the latest ${count(points.times.length)} points.`);
  if (row.flips) notes.push("Its values are now integers, now floats: OpenTSDB stores the two differently.");
  const off = row.seen ? row.seen * 1000 - millis(row.timestamp) : 0;
  if (Math.abs(off) > 60000) notes.push(`Its last timestamp is ${lasting(Math.abs(off))} ${off > 0 ? "behind" : "ahead of"} this machine's clock.`);
  say(parts.note, notes.join(" "));
  fill(parts.points, points.latest.map(([timestamp, value, copies]) => el("tr", {},
    el("td", {}, moment(millis(timestamp))), el("td.code", {}, String(timestamp)), el("td.number.code", {}, value),
    el("td.number", {}, copies > 1 ? `×${count(copies)}` : ""))));
  drawChart(points);
}

function drawChart(points) {
  const data = points ? [points.times.map((time) => time / 1000), points.values] : [[], []];
  if (detail.chart && points) {
    detail.chart.setData(data);
    return;
  }
  if (detail.chart) detail.chart.destroy();
  const { row } = detail;
  detail.chart = plot(detail.parts.chart, [{ label: row.metric, stroke: colour("accent"), fill: colour("accent-faint"), width: 1.5,
    points: { show: (chart) => chart.data[0].length < 80, size: 5, fill: colour("accent") } }], data, 220);
  detail.parts.chart.setAttribute("role", "img");
  detail.parts.chart.setAttribute("aria-label", `Chart of ${row.metric}`);
}

/** A chart of lines over time, as wide as its place. */
function plot(place, series, data, height, hooks) {
  place.replaceChildren();
  const width = () => Math.max(place.clientWidth, 200);
  const watcher = new ResizeObserver(() => chart.setSize({ width: width(), height }));
  const grid = { stroke: colour("line"), width: 1 };
  const axis = { stroke: colour("muted"), grid, ticks: { show: false }, font: "11px system-ui, sans-serif", size: 52 };
  const chart = new uPlot({
    width: width(), height, series: [{ label: "", value: (_, time) => (time == null ? "" : moment(time * 1000)) }, ...series],
    hooks: { ...hooks, destroy: [() => watcher.disconnect()] },
    scales: { x: { time: true }, y: { range: (_, least, most) => yRange(least, most) } },
    axes: [{ ...axis, size: 28, grid: { show: false }, values: (_, times, __, ___, step) => times.map((time) => timeLabel(time, step)) }, { ...axis, values: (_, values) => values.map(axisValue) }],
    cursor: { points: { size: 7 }, y: false }, legend: { live: true, show: series.length > 1 || place.dataset.legend === "on" },
  }, data, place);
  watcher.observe(place);
  return chart;
}

/** A time on an axis whose marks are that many seconds apart. */
function timeLabel(time, step) {
  const text = moment(time * 1000);
  if (step < 60) return text.slice(11);
  return step < 86400 ? text.slice(11, 16) : text.slice(0, 10);
}

function yRange(least, most) {
  if (least == null) return [0, 1];
  if (least === most) return least === 0 ? [-1, 1] : [least - Math.abs(least) * 0.1, least + Math.abs(least) * 0.1];
  const room = (most - least) * 0.08;
  return [least >= 0 && least - room < 0 ? 0 : least - room, most + room];
}

function axisValue(value) {
  const size = Math.abs(value);
  if (size >= 10000) return (value < 0 ? "-" : "") + short(size);
  return size && size < 0.001 ? value.toExponential(0) : String(+value.toPrecision(6));
}

function beginDetail() {
  showNothing();
  viewers.push(() => {
    if (detail.row && detail.row.isGone) {
      // After a new start of the server it may be there again.
      const again = list.ordered.find((row) => isLive(row) && row.text === detail.row.text);
      if (again) showDetail((list.chosen = again));
      else hideDetail();
    }
    if (detail.row && viewIs("series")) fetchPoints();
  });
}
