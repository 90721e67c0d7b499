// Findings: what is stored and perhaps not meant. Points that overwrote each other are the server's to find; the others are
// looked for here, in the rows that are listed.

const findings = { lookedAt: 0, isOld: true, state: "", groups: [] };
const OFF = 60;
const MOST_FOUND = 200;

function beginFindings() {
  findings.body = el("div.findings");
  put(id("view-findings"), findings.body);
  viewers.push((part) => {
    // All rows are looked at: seldom, and only as long as something changes.
    findings.isOld ||= Boolean(part.hello || part.rows.length || part.collisions);
    const pause = viewIs("findings") ? 1500 : 5000;
    if (!findings.isOld || performance.now() - findings.lookedAt < pause) return;
    findings.lookedAt = performance.now();
    findings.groups = look();
    // The list may not have got to all rows that came.
    findings.isOld = model.fresh.length > 0 || model.gone;
    const serious = findings.groups.filter((group) => group.isSerious).reduce((sum, group) => sum + group.all, 0);
    id("badge-findings").hidden = !serious;
    say(id("badge-findings"), short(serious));
    if (viewIs("findings")) drawFindings();
  });
}

function look() {
  const flips = [], off = [], single = [], values = new Map();
  let flipped = 0, wrong = 0, alone = 0;
  for (const row of list.ordered) {
    if (row.flips && (flipped += 1) <= MOST_FOUND) flips.push(row);
    const behind = row.seen ? row.seen - millis(row.timestamp) / 1000 : 0;
    if (Math.abs(behind) > OFF && (wrong += 1) <= MOST_FOUND) off.push([row, behind]);
    if (row.points === 1 && row.came <= 1 && (alone += 1) <= MOST_FOUND) single.push(row);
    for (const [key, value] of row.tags) {
      const known = values.get(key);
      if (known) known.add(value);
      else values.set(key, new Set([value]));
    }
  }
  const tags = [...values].sort((a, b) => b[1].size - a[1].size).slice(0, 12);
  return [
    {
      title: "Overwritten", isSerious: true, all: model.collisions.length,
      about: "Two connections wrote different values for the same series and time. Both were taken, and one value is gone.",
      nothing: "No connection overwrote another's points.",
      rows: model.collisions.map((one) => [one.series,
        `${one.before} → ${one.after} at ${moment(millis(one.timestamp))}`, `×${count(one.times)}`,
        el("span", { title: one.by.map((who) => (who ? who.peer : "forgotten")).join(", then ") },
          one.by.map((who) => (who ? `#${who.number}` : "?")).join(", then "))]),
      head: ["series", "values", "times", "connections"],
    },
    {
      title: "Integers and floats in one series", isSerious: true, all: flipped,
      about: "1 and 1.0 are stored in different cells. Send one kind.",
      nothing: "Every series sends one kind of value.",
      rows: flips.map((row) => [row, row.value]), head: ["series", "last value"],
    },
    {
      title: "Clocks that are off", isSerious: true, all: wrong,
      about: "The last timestamp is more than a minute from this machine's clock when it arrived.",
      nothing: "Every timestamp is within a minute of its arrival.",
      rows: off.map(([row, behind]) => [row, `${lasting(Math.abs(behind) * 1000)} ${behind > 0 ? "behind" : "ahead"}`]), head: ["series", "clock"],
    },
    {
      title: "Series with a single point", all: alone,
      about: "A tag with a value that never comes again (a time, an id) makes a new series each time.",
      nothing: "Every series has more than one point.",
      rows: single.map((row) => [row, row.value]), head: ["series", "value"],
    },
    {
      title: "Tags with most values", all: tags.length, bars: true,
      about: "Each value is a series of its own, for ever.", nothing: "There are no tags.",
      rows: tags.map(([key, all]) => [key, all.size, [...all].slice(0, 5).join(", ") + (all.size > 5 ? ", …" : "")]),
      head: ["tag", "values", "such as"],
    },
  ];
}

function drawFindings() {
  const state = JSON.stringify(findings.groups.map((group) => [group.all, group.rows.map((row) => row.map((cell) => (cell instanceof Node ? cell.textContent : cell.slot ?? cell)))]));
  if (state === findings.state) return;
  findings.state = state;
  fill(findings.body, findings.groups.map((group) => el("section.finding", {},
    el("h2", {}, group.title, " ", el(group.all && group.isSerious ? "b.warn" : "b", {}, count(group.all))),
    el("p", {}, group.all ? group.about : group.nothing),
    group.rows.length ? (group.bars ? bars(group) : foundTable(group)) : null,
    group.all > group.rows.length ? el("p.note", {}, `and ${count(group.all - group.rows.length)} more`) : null)));
}

function foundTable(group) {
  return el("div.table", {}, el("table", {},
    el("thead", {}, el("tr", {}, group.head.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, group.rows.map((row) => el("tr", {}, row.map((cell) => el("td.code", {}, cell instanceof Node || cell.slot === undefined
      ? cell
      : el("button.text", { type: "button", click: () => openSeries(cell) }, `${cell.metric} `, el("span", {}, cell.tagText)))))))));
}

function bars(group) {
  const most = Math.max(...group.rows.map((row) => row[1]));
  return el("ul.bars", {}, group.rows.map(([key, number, examples]) => {
    const bar = el("i");
    bar.style.width = `${Math.max(1, (number / most) * 100)}%`;
    return el("li", {}, el("b", {}, key), el("span.number", {}, count(number)), el("span.bar-room", {}, bar), el("span.such", {}, examples));
  }));
}

/** Shows a series in the list. */
function openSeries(row) {
  if (row.isGone) return;
  showView("series");
  id("filter").value = "";
  list.words = [];
  list.closed.delete(row.metric);
  refilter();
  list.cursor = list.shown.indexOf(row);
  list.chosen = row;
  move(0);
  showDetail(row);
}
