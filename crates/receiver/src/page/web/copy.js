// A point in other words: as a request, a line, a command, a program, a test. Names come from the wire: each is quoted as
// its language has it.

const server = () => ({ host: location.hostname, port: location.port || (location.protocol === "https:" ? "443" : "80") });
const isEncrypted = () => location.protocol === "https:";

/** A word of a shell. */
const shell = (text) => (/^[A-Za-z0-9_./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** A text of Python, which is JSON's, and of Rust, which writes some characters otherwise. */
const python = (text) => JSON.stringify(text);
const rust = (text) => JSON.stringify(text).replace(/\\u([0-9a-f]{4})/g, "\\u{$1}").replaceAll("\\b", "\\u{8}").replaceAll("\\f", "\\u{c}");

const RESERVED = new Set("False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield metric value timestamp self".split(" "));

/** Tags as keywords of Python; what cannot be one in a dictionary. */
function keywords(tags) {
  const plain = tags.filter(([key]) => /^[A-Za-z_]\w*$/.test(key) && !RESERVED.has(key));
  const others = tags.filter((tag) => !plain.includes(tag));
  const parts = plain.map(([key, value]) => `${key}=${python(value)}`);
  if (others.length) parts.push(`**{${others.map(([key, value]) => `${python(key)}: ${python(value)}`).join(", ")}}`);
  return parts.map((part) => `, ${part}`).join("");
}

/** A number as JSON, Python and Rust have it; what is none as a text. */
const literal = (value) => (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(value) ? value : JSON.stringify(value));

/** Each way by its name: a function of {metric, tags, value, timestamp}. */
const WAYS = {
  curl: ({ metric, tags, value, timestamp }) => {
    const names = tags.map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`).join(",");
    const body = `{"metric":${JSON.stringify(metric)},"timestamp":${timestamp},"value":${literal(value)},"tags":{${names}}}`;
    return `curl -s ${shell(`${location.origin}/api/put?details`)} -H 'Content-Type: application/json' -d ${shell(body)}`;
  },
  telnet: ({ metric, tags, value, timestamp }) =>
    `put ${metric} ${timestamp} ${value} ${tags.map(([key, text]) => `${key}=${text}`).join(" ")}`,
  "potsdb send": ({ metric, tags, value, timestamp }) => {
    const url = `${isEncrypted() ? "tsdbs" : "tsdb"}://${server().host}:${server().port}`;
    const words = [metric, value, ...tags.map(([key, text]) => `${key}=${text}`)].map(shell);
    return `potsdb send -u ${url} -t ${timestamp} -o host_tag=false ${value.startsWith("-") ? "-- " : ""}${words.join(" ")}`;
  },
  Python: ({ metric, tags, value }) =>
    `import potsdb\n\nmetrics = potsdb.Client(${python(server().host)}, port=${server().port}, host_tag=False)\n`
    + `metrics.send(${python(metric)}, ${literal(value)}${keywords(tags)})\nmetrics.close(5)\n`,
  Rust: ({ metric, tags, value }) => {
    const pairs = tags.map(([key, text]) => `(${rust(key)}, ${rust(text)})`).join(", ");
    return `let client = potsdb::Client::open("tsdb://${server().host}:${server().port}?host_tag=false")?;\n`
      + `client.send(${rust(metric)}, ${literal(value)}, [${pairs}])?;\nclient.close(std::time::Duration::from_secs(5));\n`;
  },
  pytest: ({ metric, tags, value }) => {
    const name = metric.replace(/\W+/g, "_").toLowerCase() || "metric";
    return `def test_${name}_is_sent(tsd):\n    ...  # what sends to tsd.url\n`
      + `    assert tsd.has(${python(metric)}${keywords(tags)}).last == ${literal(value)}\n`;
  },
};

/** Buttons that copy a point each way. */
function copyButtons(point) {
  return el("div.copies", { role: "group", "aria-label": "Copy as" }, el("span", {}, "Copy as"),
    Object.entries(WAYS).map(([name, words]) =>
      el("button", { type: "button", title: words(point()), click: () => copy(words(point()), name) }, name)));
}

/** What somebody sees who has sent nothing yet. */
function howToBegin() {
  const point = { metric: "web.requests", tags: [["path", "/login"]], value: "3", timestamp: Math.floor(Date.now() / 1000) };
  const block = (name, words) => el("div.way", {}, el("h3", {}, name), el("pre", { tabindex: "0" }, words),
    el("button", { type: "button", click: () => copy(words, name) }, "Copy"));
  return [
    el("h2", {}, "Nothing has arrived yet"),
    el("p", {}, "Point your program at this server, or send a point:"),
    el("div.ways", {},
      block("Shell", WAYS["potsdb send"](point)),
      block("curl", WAYS.curl(point)),
      block("Telnet", `printf '${WAYS.telnet(point)}\\n' | nc -q1 ${server().host} ${server().port}`),
      block("Python", WAYS.Python(point))),
  ];
}
