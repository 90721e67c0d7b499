// The list of series: ordered, filtered, grouped; of all that only the rows in sight are in the page.

const list = {
  /** All rows in the order chosen. */
  ordered: [],
  /** What is listed: rows, and heads of groups as {metric, size}. */
  shown: [],
  words: [],
  /** The texts of all rows in one, and where each begins. */
  hay: {},
  sort: "name",
  groups: false,
  closed: new Set(),
  chosen: null,
  cursor: -1,
  pool: [],
  height: 36,
  first: 0,
  sortedAt: 0,
};

const byName = (a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : a.slot - b.slot);
const ORDERS = {
  name: byName,
  new: (a, b) => b.order - a.order,
  rate: (a, b) => (rateOf(b) || 0) - (rateOf(a) || 0) || byName(a, b),
  seen: (a, b) => b.seen - a.seen || byName(a, b),
};
const isLive = (row) => !row.isGone && row.points > 0;

/** Whether the list is in an order of rates or times that have changed since. */
function isOutdated() {
  return (list.sort === "rate" || list.sort === "seen") && performance.now() - list.sortedAt > 3000;
}

/** Puts what came and went in order; what was in order stays so. */
function arrange() {
  const order = ORDERS[list.sort];
  if (model.gone) {
    list.ordered = list.ordered.filter(isLive);
    model.gone = false;
  }
  const fresh = model.fresh.filter(isLive);
  model.fresh = [];
  if (fresh.length) list.ordered = merged(list.ordered, fresh.sort(order), order);
  if (isOutdated()) {
    list.ordered = list.ordered.slice().sort(order);
    list.sortedAt = performance.now();
  }
}

function merged(one, other, order) {
  const both = new Array(one.length + other.length);
  for (let index = 0, left = 0, right = 0; index < both.length; index += 1) {
    const isLeft = right >= other.length || (left < one.length && order(one[left], other[right]) <= 0);
    both[index] = isLeft ? one[left++] : other[right++];
  }
  return both;
}

/** Finds what is to be listed, and shows it. */
function refilter() {
  const { words, ordered } = list;
  const anchor = list.shown[list.first], offset = id("rows").scrollTop % list.height;
  let rows = ordered;
  for (const word of words) rows = having(rows, word);
  list.shown = list.groups ? inGroups(rows) : rows;
  list.matching = rows.length;
  if (list.first > 0 && anchor) {
    const moved = list.shown.indexOf(anchor);
    if (moved >= 0) id("rows").scrollTop = moved * list.height + offset;
  }
  list.cursor = list.chosen ? list.shown.indexOf(list.chosen) : Math.min(list.cursor, list.shown.length - 1);
  showMatches();
  render();
}

/** The rows that have a word in them. */
function having(rows, word) {
  if (rows === list.ordered) return havingAll(word);
  const found = [];
  for (const row of rows) {
    if (row.text.includes(word)) found.push(row);
  }
  return found;
}

/** The same of all rows: one text of all of them is searched. A hundred thousand small ones would be felt at each key. */
function havingAll(word) {
  const { ordered, hay } = list;
  if (hay.of !== ordered) {
    const starts = new Uint32Array(ordered.length + 1);
    ordered.forEach((row, index) => { starts[index + 1] = starts[index] + row.text.length + 1; });
    list.hay = { of: ordered, starts, text: `${ordered.map((row) => row.text).join("\n")}\n` };
  }
  const { text, starts } = list.hay;
  const found = [];
  let row = 0;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, starts[row])) {
    while (starts[row + 1] <= at) row += 1;
    found.push(ordered[row]);
    row += 1;
    if (row >= ordered.length) break;
  }
  return found;
}

function inGroups(rows) {
  const groups = new Map();
  for (const row of rows) {
    const group = groups.get(row.metric);
    if (group) group.push(row);
    else groups.set(row.metric, [row]);
  }
  const names = [...groups.keys()];
  if (list.sort === "name") names.sort();
  return names.flatMap((metric) => {
    const head = { metric, size: groups.get(metric).length, isHead: true };
    return list.closed.has(metric) ? [head] : [head, ...groups.get(metric)];
  });
}

function showMatches() {
  const all = list.ordered.length, beyond = model.series - model.listed;
  let text = list.words.length ? `${count(list.matching)} of ${count(all)}` : `${count(all)}`;
  if (model.series > model.most) text += ` (${count(beyond)} more are not listed)`;
  say(id("matches"), text);
  const isEmpty = list.shown.length === 0;
  id("empty").hidden = !isEmpty;
  id("rows").hidden = isEmpty;
  if (isEmpty) showEmpty(all === 0);
}

function showEmpty(isNothing) {
  const state = isNothing ? "nothing" : "no match";
  if (id("empty").dataset.state === state) return;
  id("empty").dataset.state = state;
  if (isNothing) fill(id("empty"), ...howToBegin());
  else fill(id("empty"), el("p", {}, "No series has all of these words in its metric and tags."));
}

/** Shows the rows in sight. */
let isRendering = false;
function render() {
  if (isRendering) return;
  isRendering = true;
  requestAnimationFrame(() => {
    isRendering = false;
    renderNow();
  });
}

function renderNow() {
  const rows = id("rows"), { height, shown } = list;
  // Set by the script, which the policy allows, and not in an attribute.
  id("rows-space").style.height = `${shown.length * height}px`;
  list.first = Math.max(0, Math.floor(rows.scrollTop / height));
  const inSight = Math.min(shown.length - list.first, Math.ceil(rows.clientHeight / height) + 2);
  while (list.pool.length < inSight) list.pool.push(newLine());
  list.pool.forEach((line, index) => {
    const at = list.first + index;
    const item = index < inSight ? shown[at] : null;
    line.element.hidden = !item;
    if (!item) return;
    line.element.style.transform = `translateY(${at * height}px)`;
    showLine(line, item, at);
  });
  const active = list.cursor - list.first;
  const isInSight = active >= 0 && active < inSight;
  if (isInSight) rows.setAttribute("aria-activedescendant", list.pool[active].element.id);
  else rows.removeAttribute("aria-activedescendant");
  wish();
}

function newLine() {
  const line = { item: null };
  const part = (name) => (line[name] = el(`span.${name}`));
  line.svg = document.createElementNS(SVG, "svg");
  line.svg.setAttribute("class", "spark");
  line.svg.setAttribute("viewBox", "0 0 96 20");
  line.svg.setAttribute("aria-hidden", "true");
  line.element = el("div.row", { role: "option", id: `row-${list.pool.length}`, click: () => choose(line.at) },
    el("span.name", {}, part("metric"), part("tags")), line.svg, part("value"), part("often"), part("ago"));
  id("rows-space").append(line.element);
  return line;
}

function showLine(line, item, at) {
  const { element } = line;
  const isOther = line.item !== item;
  line.item = item;
  line.at = at;
  element.classList.toggle("head", Boolean(item.isHead));
  element.classList.toggle("cursor", at === list.cursor);
  element.setAttribute("aria-selected", String(item === list.chosen && !item.isHead));
  element.setAttribute("aria-setsize", list.shown.length);
  element.setAttribute("aria-posinset", at + 1);
  say(line.metric, item.metric);
  if (item.isHead) {
    const isClosed = list.closed.has(item.metric);
    say(line.tags, `${count(item.size)} series`);
    for (const name of ["value", "often", "ago"]) say(line[name], "");
    spark(line.svg, null);
    element.classList.remove("new", "flip");
    element.dataset.state = isClosed ? "closed" : "open";
    element.setAttribute("aria-label", `${item.metric}, ${item.size} series, ${isClosed ? "closed" : "open"}`);
    return;
  }
  delete element.dataset.state;
  say(line.tags, item.tagText);
  const isChanged = !isOther && line.value.textContent !== item.value;
  say(line.value, item.value);
  say(line.often, often(rateOf(item)));
  say(line.ago, item.seen ? lasting(model.now - item.seen * 1000) : "");
  element.setAttribute("aria-label", `${item.metric} ${item.tagText}: ${item.value}`);
  element.classList.toggle("new", item.shownSince > 0 && performance.now() - item.shownSince < 2500);
  if (isOther || line.drawn !== item.values) {
    spark(line.svg, item.values);
    line.drawn = item.values;
  }
  if (isChanged) {
    line.value.classList.remove("changed");
    requestAnimationFrame(() => line.value.classList.add("changed"));
  } else if (isOther) line.value.classList.remove("changed");
}

/** The slots that are in sight, and the one that is chosen. */
function visibleSlots() {
  if (view.name !== "series") return list.chosen ? [list.chosen.slot] : [];
  const lines = list.pool.filter((line) => !line.element.hidden && !line.item.isHead);
  const slots = lines.map((line) => line.item.slot);
  if (list.chosen && !slots.includes(list.chosen.slot)) slots.push(list.chosen.slot);
  return slots;
}

/** Chooses what is listed there: a series to look at, or a group to open or close. */
function choose(at) {
  const item = list.shown[at];
  if (!item) return;
  list.cursor = at;
  if (item.isHead) {
    if (!list.closed.delete(item.metric)) list.closed.add(item.metric);
    refilter();
    return;
  }
  list.chosen = item;
  render();
  showDetail(item);
}

/** Moves the cursor, and scrolls it into sight. */
function move(by) {
  if (!list.shown.length) return;
  const rows = id("rows");
  list.cursor = Math.max(0, Math.min(list.shown.length - 1, list.cursor < 0 ? 0 : list.cursor + by));
  const top = list.cursor * list.height;
  if (top < rows.scrollTop) rows.scrollTop = top;
  if (top + list.height > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + list.height - rows.clientHeight;
  render();
}

/** The height of a row depends on the width of the page. */
function measureRows() {
  const height = parseInt(getComputedStyle(id("rows")).getPropertyValue("--row"), 10) || 36;
  if (height !== list.height) {
    list.height = height;
    id("rows").scrollTop = list.first * height;
  }
  render();
}

function beginList() {
  const rows = id("rows");
  rows.addEventListener("scroll", render, { passive: true });
  new ResizeObserver(measureRows).observe(rows);
  id("bar").addEventListener("submit", (event) => {
    event.preventDefault();
    rows.focus();
  });
  id("filter").addEventListener("input", () => {
    list.words = id("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.scrollTop = 0;
    list.first = 0;
    refilter();
  });
  id("sort").addEventListener("change", () => {
    list.sort = id("sort").value;
    list.ordered = list.ordered.slice().sort(ORDERS[list.sort]);
    list.sortedAt = performance.now();
    rows.scrollTop = 0;
    list.first = 0;
    refilter();
  });
  id("group").addEventListener("change", () => {
    list.groups = id("group").checked;
    refilter();
  });
  rows.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(rows.clientHeight / list.height) - 1);
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      move(steps[event.key] === Infinity ? list.shown.length : Math.max(steps[event.key], -list.shown.length));
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(list.cursor);
    }
  });
  let arrangedAt = 0;
  viewers.push(() => {
    const isDue = model.fresh.length || model.gone || isOutdated();
    // While a hundred thousand come, not with every two thousand of them.
    if (isDue && (performance.now() - arrangedAt > 250 || list.ordered.length < 5000)) {
      arrange();
      refilter();
      arrangedAt = performance.now();
    } else if (view.name === "series") {
      showMatches();
      render();
    }
  });
}
