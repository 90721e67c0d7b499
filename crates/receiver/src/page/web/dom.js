// Elements, words and numbers. Whatever came over the wire gets into the page as text, never as markup.

const id = (name) => document.getElementById(name);

/** An element: `el("b.warn", {title: "x"}, "text", child)`. Functions are listeners, `null` is left out. */
function el(kind, attributes, ...children) {
  const [tag, ...classes] = kind.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value == null || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  put(made, ...children);
  return made;
}

/** Puts texts and elements into an element. */
function put(into, ...children) {
  for (const child of children.flat()) {
    if (child != null && child !== false) into.append(child);
  }
}

/** Replaces what is in an element. */
function fill(into, ...children) {
  into.replaceChildren();
  put(into, ...children);
  return into;
}

/** Sets a text, and touches the page only if it is another one. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const SVG = "http://www.w3.org/2000/svg";

/** Draws values into an `svg.spark`, oldest at the left. */
function spark(svg, values) {
  const path = svg.firstChild || svg.appendChild(document.createElementNS(SVG, "path"));
  const known = (values || []).filter((value) => value != null);
  if (known.length < 2) {
    path.setAttribute("d", known.length ? "M94 10h2" : "");
    return;
  }
  const least = Math.min(...known), range = Math.max(...known) - least;
  const step = 92 / (values.length - 1);
  let line = "", pen = "M";
  values.forEach((value, index) => {
    if (value == null) { pen = "M"; return; }
    const y = range ? 17 - ((value - least) / range) * 14 : 10;
    line += `${pen}${(2 + index * step).toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  path.setAttribute("d", line);
}

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
/** 12 345, with thin spaces. */
const count = (number) => grouped.format(number).replaceAll(",", "\u2009");

/** 12.3k: for where there is little room. */
function short(number) {
  for (const [least, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (number >= least) return `${(number / (unit === "k" ? 1e3 : least)).toPrecision(3).replace(/\.?0+$/, "")}${unit}`;
  }
  return number >= 10 || Number.isInteger(number) ? String(Math.round(number)) : number.toFixed(1);
}

/** How often: 12/s, or every 10 s. */
function often(rate) {
  if (rate == null) return "";
  if (rate >= 0.75) return `${short(rate)}/s`;
  const seconds = 1 / rate;
  return seconds < 90 ? `each ${Math.round(seconds)} s` : `each ${Math.round(seconds / 60)} min`;
}

/** How long: 3 s, 5 min, 2 h, 4 d. */
function lasting(milliseconds) {
  const seconds = Math.max(0, milliseconds / 1000);
  if (seconds < 1) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${count(Math.round(seconds / 86400))} d`;
}

const two = (number) => String(number).padStart(2, "0");
/** The time of day, here. */
function clock(milliseconds) {
  const at = new Date(milliseconds);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
/** Date and time, here. */
function moment(milliseconds) {
  const at = new Date(milliseconds);
  if (Number.isNaN(at.getTime())) return "?";
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(milliseconds)}`;
}

/** A timestamp as it was sent, in milliseconds: OpenTSDB's rule. */
const millis = (timestamp) => (timestamp < 2 ** 32 ? timestamp * 1000 : timestamp);

/** Says something for a moment, aloud too. */
let saidTimer = 0;
function announce(text) {
  say(id("said"), text);
  id("said").classList.add("on");
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => id("said").classList.remove("on"), 2500);
}

/** Asks the server to change something; the field tells it that it is this page that asks. */
async function tell(path, wanted) {
  const answer = await fetch(`potsdb/page/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Potsdb-Page": "1" },
    body: JSON.stringify(wanted),
  });
  if (!answer.ok) {
    const error = await answer.json().catch(() => null);
    throw new Error(error && error.error ? error.error.message : `HTTP ${answer.status}`);
  }
}

/** Copies a text, and says so. */
async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    announce(`Copied: ${what}`);
  } catch {
    announce("The browser does not let this page copy");
  }
}

/** A colour of the style at hand. */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
