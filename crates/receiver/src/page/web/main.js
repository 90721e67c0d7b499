// The frame: views, keyboard, colours, totals; and the beginning.

const VIEWS = ["series", "refused", "findings", "connections", "faults"];
const view = { name: "series" };
const viewIs = (name) => view.name === name && !document.hidden;

function showView(name, focuses) {
  view.name = name;
  for (const each of VIEWS) {
    const isIt = each === name;
    id(`view-${each}`).hidden = !isIt;
    const tab = id(`tab-${each}`);
    tab.setAttribute("aria-selected", String(isIt));
    tab.tabIndex = isIt ? 0 : -1;
    if (isIt && focuses) tab.focus();
    if (isIt) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  if (location.hash !== `#${name}`) history.replaceState(null, "", `#${name}`);
  ({ series: renderNow, refused: () => drawRefused(true), findings: () => { findings.isOld = true; findings.lookedAt = 0; }, connections: () => { drawConnections(); drawLines(); },
    faults: () => { redrawFaults(); } })[name]();
  wish();
}

function redrawFaults() {
  if (faults.chart) faults.chart.destroy();
  faults.chart = null;
  drawArrivals();
}

function beginTabs() {
  VIEWS.forEach((name, index) => {
    const tab = id(`tab-${name}`);
    tab.addEventListener("click", () => showView(name));
    tab.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (by) showView(VIEWS[(index + by + VIEWS.length) % VIEWS.length], true);
    });
  });
}

const THEMES = ["auto", "light", "dark"];

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  const words = { auto: "as the system", light: "light", dark: "dark" }[theme];
  id("theme").setAttribute("aria-label", `Colours: ${words}`);
  say(id("theme"), { auto: "◐", light: "☀", dark: "☾" }[theme]);
  try { localStorage.setItem("potsdb-theme", theme); } catch { /* It is forgotten with the page. */ }
  recolour();
}

/** Charts are drawn in the colours there were. */
function recolour() {
  if (detail.row) {
    detail.came = -1;
    detail.fetchedAt = 0;
    drawChart(null);
    fetchPoints();
  }
  if (view.name === "faults") redrawFaults();
  drawPulse();
}

function nextTheme() {
  setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
}

const KEYS = [
  ["/", "filter"], ["↑ ↓ or k j", "move in the list"], ["Enter", "chart of the series, open or close a group"], ["Esc", "close, or clear the filter"],
  ["1 to 5", "series, refused, findings, connections, faults"], ["g", "group by metric"], ["t", "colours"], ["?", "this help"],
];

function beginKeyboard() {
  fill(id("help"), el("h2", { id: "help-title" }, "Keyboard"),
    el("dl", {}, KEYS.map(([key, what]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)))),
    el("form", { method: "dialog" }, el("button", {}, "Close")));
  id("help-button").addEventListener("click", () => id("help").showModal());
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input[type=search], input[type=text], select, textarea");
    if (event.key === "Escape" && !id("help").open) {
      if (isTyping && event.target.value) {
        event.target.value = "";
        event.target.dispatchEvent(new Event("input"));
      } else hideDetail();
      if (isTyping) id("rows").focus();
      return;
    }
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || id("help").open) return;
    const act = {
      "/": () => { showView("series"); id("filter").focus(); },
      "?": () => id("help").showModal(),
      t: nextTheme,
      g: () => { id("group").checked = !id("group").checked; id("group").dispatchEvent(new Event("change")); },
    }[event.key] || (VIEWS[event.key - 1] && (() => showView(VIEWS[event.key - 1], true)));
    if (act) {
      event.preventDefault();
      act();
    } else if ((event.key === "j" || event.key === "k") && view.name === "series" && event.target !== id("rows")) {
      id("rows").focus();
      move(event.key === "j" ? 1 : -1);
    }
  });
}

function drawPulse() {
  const canvas = id("pulse"), context = canvas.getContext("2d");
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  const rates = model.history.slice(-60).map((one) => one.accepted + one.refused + one.throttled);
  const most = Math.max(1, ...rates);
  context.fillStyle = colour("accent");
  const room = width / 60;
  rates.forEach((rate, index) => {
    const tall = rate ? Math.max(3, (rate / most) * height) : 1;
    context.globalAlpha = rate ? 0.85 : 0.25;
    context.fillRect(width - (rates.length - index) * room, height - tall, room - 1.5, tall);
  });
}

function beginTotals() {
  let drawn = 0;
  viewers.push((part) => {
    say(id("total-series"), count(model.series));
    say(id("total-points"), model.points < 1e5 ? count(model.points) : short(model.points));
    say(id("total-rate"), short(Math.round(model.rate)));
    if (part.hello) say(id("server"), `${model.server} · ${location.host}`);
    if (model.history.length && model.history.at(-1).now !== drawn) {
      drawn = model.history.at(-1).now;
      drawPulse();
    }
  });
}

async function clearAll() {
  if (!confirm("Forget all points, refusals and collisions of this server?")) return;
  await tell("clear", {}).catch((error) => announce(error.message));
  Object.assign(model, { refused: [], collisions: [], lines: [] });
  drawRefused(true);
  announce("All points are forgotten");
}

function start() {
  let theme = "auto";
  try { theme = localStorage.getItem("potsdb-theme") || theme; } catch { /* Then as the system has it. */ }
  beginList();
  beginDetail();
  beginRefused();
  beginFindings();
  beginConnections();
  beginFaults();
  beginTotals();
  beginTabs();
  beginKeyboard();
  setTheme(THEMES.includes(theme) ? theme : "auto");
  id("theme").addEventListener("click", nextTheme);
  id("clear").addEventListener("click", clearAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  document.addEventListener("visibilitychange", () => {
    followWhileSeen();
    if (!document.hidden) showView(view.name);
  });
  const wanted = location.hash.slice(1);
  showView(VIEWS.includes(wanted) ? wanted : "series");
  follow();
}

start();
