// Refused points: the line with the byte at fault, the server's words, who sent it, and which servers would have taken it.

const refused = { shown: 100, drawn: -1, filter: "", known: new Map() };

function beginRefused() {
  const view = id("view-refused");
  refused.list = el("ol.refusals");
  refused.note = el("p.note");
  refused.more = el("button.more", { type: "button", click: () => { refused.shown += 200; drawRefused(true); } }, "Show more");
  put(view, el("div.bar", {},
    el("input", { type: "search", placeholder: "Filter lines and reasons", "aria-label": "Filter refused points", spellcheck: "false",
      input: (event) => { refused.filter = event.target.value.toLowerCase(); drawRefused(true); } }), refused.note),
  refused.list, refused.more);
  viewers.push(() => {
    const total = model.counts.refused || 0;
    say(id("total-refused"), count(total));
    id("total-refused-box").classList.toggle("bad", total > 0);
    id("badge-refused").hidden = !total;
    say(id("badge-refused"), short(total));
    const title = total ? `${short(total)} refused · potsdb serve` : "potsdb serve";
    if (document.title !== title) document.title = title;
    if (viewIs("refused")) drawRefused(false);
  });
}

function drawRefused(anew) {
  const last = model.refused.length ? model.refused.at(-1).number : 0;
  if (!anew && last === refused.drawn) return;
  refused.drawn = last;
  const fits = (one) => !refused.filter || `${one.line.join("")} ${one.reason}`.toLowerCase().includes(refused.filter);
  const all = model.refused.filter(fits).reverse();
  const total = model.counts.refused || 0;
  const kept = total > model.refused.length ? `the latest ${count(model.refused.length)} of ${count(total)}` : "";
  say(refused.note, kept);
  // A card is made once: what is selected in it stays.
  const known = new Map();
  const cards = all.slice(0, refused.shown).map((one) => {
    const card = (!anew && refused.known.get(one.number)) || refusal(one);
    known.set(one.number, card);
    return card;
  });
  refused.known = known;
  if (cards.length) refused.list.replaceChildren(...cards);
  else fill(refused.list, el("li.nothing", {}, total && !refused.filter ? "These are forgotten." : "No point was refused."));
  refused.more.hidden = all.length <= refused.shown;
}

function refusal(one) {
  const [before, fault, after] = one.line;
  const isWhere = fault || (before && !after);
  const mark = fault
    ? el("mark", { title: bytesOf(fault, before) }, fault)
    : before && !after ? el("mark.missing", { title: "something is missing here" }, "␣") : null;
  const takers = model.servers.filter((name) => name !== model.server);
  return el("li.refusal", { "data-number": one.number },
    el("div.refusal-head", {},
      el("time", {}, clock(one.at)), el("span.by", {}, one.by ? `#${one.by.number} ${one.by.peer}` : "a connection that is forgotten"),
      isWhere ? el("span.where", {}, fault ? bytesOf(fault, before) : "incomplete") : null),
    el("pre.line", { tabindex: "0" }, before, mark, after),
    el("p.reason", {}, one.reason),
    el("div.takers", {},
      el("span", {}, one.line.join("").startsWith("put") ? "would be taken by" : ""),
      one.line.join("").startsWith("put") ? takers.map((name) => {
        const takes = one.takers.includes(name);
        return el(takes ? "span.taker.yes" : "span.taker", {}, `${takes ? "✓" : "✗"} ${name}`);
      }) : null,
      el("button", { type: "button", click: () => copy(one.line.join(""), "the line") }, "Copy line")));
}

/** Which bytes, and where: `byte 24: 0x78`. */
function bytesOf(fault, before) {
  const encoder = new TextEncoder();
  const bytes = [...encoder.encode(fault)], at = encoder.encode(before).length + 1;
  const shown = bytes.slice(0, 4).map((byte) => `0x${byte.toString(16).padStart(2, "0")}`).join(" ");
  return bytes.length > 4 ? `bytes ${at} to ${at + bytes.length - 1}` : `byte ${at}: ${shown}`;
}
