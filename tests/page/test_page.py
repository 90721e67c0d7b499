"""The page of `potsdb serve`, as a browser has it: every promise that it makes to whoever looks."""

from __future__ import annotations

import json
import socket
import statistics
import time

import pytest
from conftest import Served

NOW = int(time.time())
VIEWS = ("series", "refused", "findings", "connections", "faults")


def opened(browser, served, **how):
    tab = browser.tab(**how)
    tab.open(served.url + "/")
    tab.until("document.getElementById('link').dataset.state === 'live'", "it follows the server")
    return tab


def rows(number: int) -> str:
    return f"document.querySelectorAll('.row:not([hidden])').length === {number}"


def test_a_series_appears_within_a_second_and_is_marked_as_new(browser, served):
    tab = opened(browser, served)
    tab.until("document.getElementById('empty').innerText.includes('Nothing has arrived yet')", "how to begin")
    began = time.monotonic()
    served.put(f"web.requests {NOW} 3 path=/login host=a")
    tab.until(rows(1), "the row", 1)
    assert time.monotonic() - began < 1
    for text in ("web.requests", "host=a path=/login", "3"):
        assert text in tab.text(".row"), text
    served.put(f"web.requests {NOW + 1} 4 path=/login host=a", f"web.latency {NOW} 0.5 path=/login")
    tab.until(f"{rows(2)} && document.querySelector('.row.new .metric')?.innerText === 'web.latency'", "the new one is marked", 1)
    tab.until("document.querySelectorAll('.row .value')[1].innerText === '4'", "the last value", 1)
    assert tab.complaints() == []


def test_a_click_draws_the_chart_of_a_series(browser, served):
    served.put(*(f"wave {NOW - 300 + second} {second % 60} h=a" for second in range(0, 300, 3)))
    tab = opened(browser, served)
    tab.until(rows(1), "the row")
    tab.until("document.querySelector('.row svg path').getAttribute('d').length > 200", "the sparkline")
    tab.click(".row")
    drawn = """(() => {
        const canvas = document.querySelector('#detail canvas');
        const {data, width, height} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const [red, green, blue] = [0x0f, 0x76, 0x6e];
        const columns = new Set();
        for (let at = 0; at < width * height; at += 1)
            if (Math.abs(data[4 * at] - red) + Math.abs(data[4 * at + 1] - green) + Math.abs(data[4 * at + 2] - blue) < 12 && data[4 * at + 3] > 200)
                columns.add(at % width);
        return columns.size > width / 2;
    })()"""
    tab.until(drawn, "a line from the left to the right")
    assert "100" in tab.text("#detail .facts") and tab.run("document.querySelectorAll('#detail tbody tr').length") == 100
    served.put(f"wave {NOW} 7 h=a")
    tab.until("document.querySelector('#detail tbody td.number').innerText === '7'", "it goes on", 2)
    assert tab.complaints() == []


def test_a_refused_line_is_shown_with_its_byte_the_words_and_who_would_have_taken_it(browser, served):
    tab = opened(browser, served)
    served.put(f"web.load {NOW} 1x2 host=a", f"web.load {NOW} 1", f"web:load {NOW} 1 host=a")
    tab.until("document.getElementById('badge-refused').innerText === '3'", "they are counted", 2)
    tab.click("#tab-refused")
    tab.until("document.querySelectorAll('.refusal').length === 3", "three cards")
    cards = tab.run("""[...document.querySelectorAll('.refusal')].reverse().map((card) => ({
        line: card.querySelector('.line').innerText, mark: card.querySelector('mark').innerText, where: card.querySelector('.where').innerText,
        reason: card.querySelector('.reason').innerText, by: card.querySelector('.by').innerText,
        takers: [...card.querySelectorAll('.taker.yes')].map((taker) => taker.innerText.slice(2))}))""")
    value, short, name = cards
    assert (value["mark"], value["where"]) == ("x", f"byte {len(f'put web.load {NOW} 1x')}: 0x78")
    assert value["reason"] == "put: invalid value: Invalid character 'x' in 1x2" and value["takers"] == []
    host, port = served.peer.getsockname()
    assert value["by"] == f"#1 {host}:{port}"
    assert (short["where"], name["mark"], name["where"]) == ("incomplete", ":", "byte 8: 0x3a")
    assert name["takers"] == ["victoriametrics", "influxdb", "kairosdb"]
    assert tab.complaints() == []


def replied(served, line: str) -> str:
    """What a new connection hears of a put."""
    with served.connect() as peer:
        peer.sendall(f"put {line}\nversion\n".encode())
        heard = b""
        while b"Built on" not in heard:
            heard += peer.recv(4096) or b"Built on: it closed"
        return heard.decode()


def test_a_fault_is_switched_by_click_and_its_effect_is_seen(browser, served):
    tab = opened(browser, served)
    tab.click("#tab-faults")
    tab.until("document.querySelector('[data-fault=throttle] .switch')", "the switch")
    assert "throttle" not in replied(served, f"m {NOW} 1 h=a")
    tab.click("[data-fault=throttle] .switch")
    on = "document.querySelector('[data-fault=throttle] .switch').getAttribute('aria-checked') === 'true'"
    tab.until(on, "it is on", 2)
    assert "Please throttle writes" in replied(served, f"m {NOW} 1 h=a")
    tab.until("document.getElementById('badge-faults').innerText === '1'", "it is told", 2)
    tab.click("[data-fault=status] .switch")
    tab.until("document.getElementById('badge-faults').innerText === '2'", "it is on", 2)
    assert served.ask("/api/version")[0] == 503
    tab.run("[...document.querySelectorAll('#view-faults button')].find((button) => button.innerText === 'End every fault').click()")
    tab.until("document.getElementById('badge-faults').hidden", "they are off", 2)
    assert served.ask("/api/version")[0] == 200 and "throttle" not in replied(served, f"m {NOW} 1 h=a")
    assert tab.complaints() == []
    assert served.close()["throttled"] == 1


def test_an_outage_ends_by_itself_and_the_page_lives_through_it(browser, served):
    tab = opened(browser, served)
    tab.click("#tab-faults")
    tab.click("[data-fault=down] .switch")
    tab.until("document.querySelector('[data-fault=down] .switch').innerText.includes('s more')", "it is down", 2)
    with pytest.raises(ConnectionRefusedError):
        served.connect()
    assert tab.run("document.getElementById('link').dataset.state") == "live"
    tab.until("document.querySelector('[data-fault=down] .switch').innerText === 'Off'", "it has ended", 8)
    assert "Built on" in replied(served, f"m {NOW} 1 h=a")
    tab.click("#tab-series")
    tab.until(rows(1), "it goes on")
    for stall in ("stall_reading", "stall_answers"):
        tab.click("#tab-faults")
        tab.click(f"[data-fault={stall}] .switch")
        tab.until(f"document.querySelector('[data-fault={stall}] .switch').getAttribute('aria-checked') === 'true'", "it is on", 2)
    assert tab.run("document.getElementById('link').dataset.state") == "live"


def test_a_filter_over_a_hundred_thousand_series_answers_within_100_ms(browser, served):
    for first in range(0, 100_000, 5_000):
        served.put(*(f"fleet.metric{number % 100} {NOW} {number} host=h{number // 100} core={number % 7}" for number in range(first, first + 5_000)))
    tab = opened(browser, served)
    tab.until("document.getElementById('matches').innerText.replace(/\\D/g, '') === '100000'", "all are listed")
    answered = """(async (text) => {
        const filter = document.getElementById('filter');
        filter.value = text;
        const began = performance.now();
        filter.dispatchEvent(new Event('input'));
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        return [performance.now() - began, document.getElementById('matches').innerText];
    })"""
    times = []
    for text, matches in [("h", 100000), ("h5", 11100), ("h55", 1100), ("h555", 100), ("metric42", 1000), ("metric42 core=3", 143), ("nothing", 0),
                          ("fleet host=h9", 11100), ("", 100000)]:  # fmt: skip
        took, said = tab.run(f"{answered}({json.dumps(text)})")
        assert int("".join(c for c in said.split(" of ")[0] if c.isdigit())) == matches, (text, said)
        times.append(took)
    print("filter over 100 000 series, ms:", [round(each) for each in times])
    assert statistics.median(times) < 100, times
    # And it is scrolled through without a stop: only the rows in sight are in the page.
    frames = tab.run("""(async () => {
        const rows = document.getElementById('rows');
        let last = performance.now();
        const frames = [];
        for (let step = 0; step < 60; step += 1) {
            rows.scrollTop = step * 50_000;
            await new Promise(requestAnimationFrame);
            const now = performance.now();
            frames.push(now - last);
            last = now;
        }
        return frames;
    })()""")
    print("frames while scrolling, ms:", round(statistics.median(frames)), "longest:", round(max(frames)))
    assert statistics.median(frames) < 50 and max(frames) < 500
    assert tab.run("document.querySelectorAll('.row').length") < 100
    tab.run("document.getElementById('rows').scrollTop = 1e9")
    tab.until("[...document.querySelectorAll('.row:not([hidden])')].some((row) => row.innerText.includes('fleet.metric99'))", "the last one")
    assert tab.complaints() == []


HOSTILE = ("<img/src=x/onerror=window.pwned=1>", "<script>window.pwned=1</script>", "\"onmouseover=window.pwned=1", "javascript:window.pwned=1", "${window.pwned=1}")


@pytest.mark.parametrize("served", [("--as", "influxdb")], indirect=True)
def test_hostile_names_values_and_lines_stay_text(browser, served):
    tab = opened(browser, served)
    for number, text in enumerate(HOSTILE):
        served.put(f"{text} {NOW} {number} host={text} {text}=x", f"{text} {text} {text}", f"m {NOW} {text} {text}={text}")
        with served.connect() as other:
            other.sendall(f"put {text} {NOW} 77 host={text} {text}=x\n".encode())
            other.shutdown(socket.SHUT_WR)
            other.recv(1)
    served.ask("/api/put?<script>window.pwned=1</script>", json.dumps({"metric": HOSTILE[0]}), User_Agent=HOSTILE[1])
    tab.until(f"document.querySelectorAll('.row:not([hidden])').length >= {len(HOSTILE)}", "the rows")
    for view in VIEWS:
        tab.click(f"#tab-{view}")
        if view == "series":
            tab.click("#group")
            tab.until("document.querySelector('.row.head:not([hidden])')", "they are grouped")
            tab.click(".row:not(.head):not([hidden])")
            tab.until("document.querySelectorAll('#detail tbody tr').length", "its points")
        elif view == "connections":
            tab.until("document.querySelector('.tail').innerText.includes('<script>')", "the lines")
        elif view == "refused":
            tab.until("document.querySelectorAll('.refusal').length > 5", "the refused")
        elif view == "findings":
            tab.until("document.querySelector('.findings').innerText.includes('<script>')", "what they overwrote", 10)
        assert tab.run("document.querySelectorAll('main img, main script, main iframe, main [onmouseover], main [onerror]').length") == 0, view
    shown = tab.text("#view-refused")
    assert tab.run("window.pwned") is None and tab.run("document.scripts.length") == 1
    tab.click("#tab-refused")
    shown = tab.text("#view-refused")
    assert all(text in shown for text in HOSTILE), shown
    assert tab.complaints() == []


def test_no_script_runs_but_the_page_s_own(browser, served):
    tab = opened(browser, served)
    tab.run("""{
        const script = document.createElement('script');
        try { script.textContent = 'window.pwned = 1'; document.body.append(script); } catch { /* by the policy */ }
        try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.pwned = 2">'); } catch { /* by the policy */ }
        try { window.eval('window.pwned = 3'); } catch { /* by the policy */ }
    }""")
    assert tab.run("window.pwned") is None
    assert tab.run("fetch('https://example.org/').then(() => 'went out', () => 'held')") == "held"


def test_no_page_of_another_origin_reads_or_writes(browser, served):
    """Each of these would be the developer's own browser, on a page of somebody else's."""
    served.put(f"m {NOW} 1 h=a")
    other = browser.tab()
    stranger = opened_elsewhere(browser, served)
    try:
        other.open(stranger.url)
        tried = other.run(f"""(async () => {{
            const url = {json.dumps(served.url)} + '/potsdb/page/';
            const said = [];
            const headers = {{'X-Potsdb-Page': '1', 'Content-Type': 'application/json'}};
            for (const how of [{{method: 'POST', mode: 'no-cors', body: '{{}}'}}, {{method: 'POST', headers, body: '{{}}'}}, {{mode: 'no-cors'}}])
                said.push(await fetch(url + 'clear', how).then((answer) => answer.type + answer.status, () => 'held'));
            said.push(await fetch(url + 'points?slot=0').then((answer) => answer.text(), () => 'held'));
            said.push(await new Promise((done) => {{
                const stream = new EventSource(url + 'stream');
                stream.onmessage = (event) => done(event.data);
                stream.onerror = () => done('held');
            }}));
            const form = document.createElement('form');
            Object.assign(form, {{method: 'post', enctype: 'text/plain', action: url + 'clear', target: '_blank'}});
            document.body.append(form);
            form.submit();
            return said;
        }})()""")
    finally:
        stranger.close()
    assert tried[1] == "held" and tried[3:] == ["held", "held"], tried
    assert served.ask("/potsdb/page/clear", "{}")[0] == 403, "a form"
    assert served.ask("/potsdb/page/clear", "{}", X_Potsdb_Page="1", Origin="http://evil.example")[0] == 403
    for path in ("/", "/potsdb/page/stream", "/potsdb/page/points?slot=0", "/potsdb/page/export"):
        status, text = served.ask(path, Accept="text/html", Host="evil.example")
        assert status == 403 and "m" not in text.split(), path
    tab = opened(browser, served)
    tab.until(rows(1), "the point is still there")
    assert "not served under that name" in served.ask("/", Accept="text/html", Host="evil.example:4242")[1]
    assert served.ask("/potsdb/page/clear", "{}", X_Potsdb_Page="1", Origin=served.url)[0] == 200, "and our own may"
    tab.until(rows(0), "it is forgotten", 2)


def opened_elsewhere(browser, served):
    """Another server, whose page asks ours: an origin of its own, as every port has."""

    class Elsewhere:
        def __init__(self) -> None:
            import http.server
            import threading

            class Page(http.server.BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(200)
                    self.send_header("Content-Type", "text/html")
                    self.end_headers()
                    self.wfile.write(b"<!doctype html><title>elsewhere</title><body>")

                def log_message(self, *_: object) -> None:
                    pass

            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
            self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
            self.thread.start()
            self.url = f"http://127.0.0.1:{self.server.server_port}/"

        def close(self) -> None:
            self.server.shutdown()
            self.server.server_close()

    return Elsewhere()


def test_the_keyboard_reaches_everything(browser, served):
    served.put(*(f"web.m{number} {NOW} {number} h=a" for number in range(9)))
    tab = opened(browser, served)
    tab.until(rows(9), "the rows")
    tab.press("/")
    tab.until("document.activeElement.id === 'filter'", "the filter has the focus")
    tab.type("m5")
    tab.until(rows(1), "one is left")
    tab.press("Escape")
    tab.until(f"{rows(9)} && document.activeElement.id === 'rows'", "it is cleared")
    for key in ("ArrowDown", "ArrowDown", "j", "k", "Enter"):
        tab.press(key)
    tab.until("document.querySelector('#detail h2').innerText === 'web.m1'", "the second is chosen")
    active = "document.getElementById(document.getElementById('rows').getAttribute('aria-activedescendant'))"
    assert tab.run(f"{active}.getAttribute('aria-selected')") == "true"
    tab.press("Escape")
    tab.until("!document.querySelector('#detail h2')", "it is closed")
    for number, view in enumerate(VIEWS, 1):
        tab.press(str(number))
        tab.until(f"!document.getElementById('view-{view}').hidden && document.activeElement.id === 'tab-{view}'", view)
    tab.press("?")
    tab.until("document.getElementById('help').open", "the help")
    tab.press("Escape")
    assert tab.complaints() == []


def test_everything_has_a_name_for_those_who_do_not_see_it(browser, served):
    served.put(f"web.requests {NOW} 3 path=/login", f"bad {NOW} x h=a")
    tab = opened(browser, served)
    tab.until(rows(1), "the row")
    tab.click(".row")
    spoken = {"button", "textbox", "searchbox", "combobox", "tab", "checkbox", "switch", "option", "listbox", "link", "img", "tabpanel", "log"}
    for view in VIEWS:
        tab.click(f"#tab-{view}")
        nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
        found = [node for node in nodes if node.get("role", {}).get("value") in spoken and not node.get("ignored")]
        nameless = [node["role"]["value"] for node in found if not node.get("name", {}).get("value", "").strip()]
        assert nameless == [] and len(found) > 8, (view, nameless)


@pytest.mark.parametrize("width", [360, 390, 768])
def test_it_fits_a_phone(browser, served, width):
    served.put(*(f"a.rather.long.metric.of.some.service{number} {NOW} 123456.789 a_long_tag=a-rather-long-value host=web-{number}" for number in range(30)))
    served.put(f"bad{'x' * 200} {NOW} x h=a")
    tab = opened(browser, served, width=width, height=780)
    tab.until("document.querySelectorAll('.row:not([hidden])').length > 5", "the rows")
    for view in VIEWS:
        tab.click(f"#tab-{view}")
        if view == "connections":
            tab.until("document.querySelector('.tail').innerText.includes('long.metric')", "the lines")
        assert tab.run("document.documentElement.scrollWidth") <= width, view
        assert tab.run(f"document.getElementById('view-{view}').scrollWidth") <= width, view
        right = f"Math.max(...[...document.querySelectorAll('#view-{view} > *, .connections > *')].map((each) => each.getBoundingClientRect().right))"
        assert tab.run(right) <= width, view
    tab.click("#tab-series")
    tab.click(".row")
    tab.until("document.querySelector('#detail h2')?.getBoundingClientRect().width > 100", "the series")
    assert tab.run("document.getElementById('detail').scrollWidth") <= width
    tab.click("#detail .close")
    tab.until("getComputedStyle(document.getElementById('detail')).display === 'none'" if width < 860 else "true", "it is closed")


def test_a_chart_that_is_gone_is_watched_no_more(browser, served):
    served.put(*(f"web.m{number} {NOW} {number} h=a" for number in range(3)))
    tab = browser.tab()
    tab.call("Page.addScriptToEvaluateOnNewDocument", source="""
        window.watchers = new Set();
        window.ResizeObserver = class extends ResizeObserver {
            observe(element) { watchers.add(this); super.observe(element); }
            disconnect() { watchers.delete(this); super.disconnect(); }
        };""")
    tab.open(served.url + "/")
    tab.until(rows(3), "the rows")
    counts = []
    for turn in range(3):
        for number in range(3):
            tab.run(f"document.querySelectorAll('.row')[{number}].click()")
            tab.until(f"document.querySelector('#detail h2').innerText === 'web.m{number}'", "its chart")
        tab.press("t")
        tab.press("Escape")
        tab.until("!document.querySelector('#detail h2')", "it is closed")
        for view in ("faults", "series"):
            tab.click(f"#tab-{view}")
        counts.append(tab.run("watchers.size"))
    assert counts == [2, 2, 2], "the list, and the chart of what arrives"
    assert tab.complaints() == []


def test_what_is_perhaps_not_meant_is_found(browser, served):
    served.put(f"flips {NOW} 1 h=a", f"flips {NOW + 1} 1.5 h=a", f"late {NOW - 7200} 1 h=a", f"once {NOW} 1 id=17", f"shared {NOW} 1 h=a")
    with served.connect() as other:
        other.sendall(f"put shared {NOW} 2 h=a\n".encode())
        tab = opened(browser, served)
        tab.click("#tab-findings")
        tab.until("document.querySelector('.findings').innerText.includes('shared{h=a}')", "what was overwritten", 10)
        found = tab.text(".findings")
    for text in ("1 → 2", "#1, then #2", "2 h behind", "flips", "once"):
        assert text in found, (text, found)


def test_points_are_exported_as_they_can_be_imported(browser, served):
    served.put(f"a.b {NOW} 1.50 y=2 x=1", f"a.b {NOW + 1} 2 x=1 y=2", f"c {NOW} 3 z=1")
    tab = opened(browser, served)
    tab.until(rows(2), "the rows")
    exported = tab.run("fetch('potsdb/page/export?filter=A.B%20x%3D1').then((answer) => answer.text())")
    assert exported == f"a.b {NOW} 1.50 x=1 y=2\na.b {NOW + 1} 2 x=1 y=2\n"
    assert tab.run("fetch('potsdb/page/export').then((answer) => answer.text())").count("\n") == 3


def test_what_is_copied_is_what_it_says(browser, served):
    """The line and the request, sent back to the server, are the point that was copied."""
    served.put(f"it.s {NOW} -1.5 path=/a/b who=me")
    tab = opened(browser, served)
    tab.until(rows(1), "the row")
    tab.click(".row")
    tab.until("document.querySelectorAll('.copies button').length === 6", "six ways")
    ways = dict(tab.run("[...document.querySelectorAll('.copies button')].map((button) => [button.innerText, button.title])"))
    assert ways["telnet"] == f"put it.s {NOW} -1.5 path=/a/b who=me"
    assert ways["potsdb send"] == f"potsdb send -u tsdb://127.0.0.1:{served.port} -t {NOW} -o host_tag=false -- it.s -1.5 path=/a/b who=me"
    compile(ways["Python"], "copied", "exec")
    compile(ways["pytest"], "copied", "exec")
    assert 'metrics.send("it.s", -1.5, path="/a/b", who="me")' in ways["Python"]
    assert 'client.send("it.s", -1.5, [("path", "/a/b"), ("who", "me")])?' in ways["Rust"]
    body = ways["curl"].split(" -d ")[1].strip("'")
    assert served.ask("/api/put?details", body, Content_Type="application/json")[1].startswith('{"success":1')
    assert served.close()["accepted"] == 2


def test_a_server_that_was_started_again_is_followed_anew(browser, served):
    served.put(f"before {NOW} 1 h=a", f"stays {NOW} 1 h=a")
    tab = opened(browser, served)
    tab.until(rows(2), "the rows")
    tab.run("[...document.querySelectorAll('.row')].find((row) => row.innerText.includes('stays')).click()")
    served.close()
    tab.until("document.getElementById('link').dataset.state === 'away'", "it is told that the server is away")
    again = Served(port=served.port)
    try:
        again.put(f"stays {NOW} 1 h=a", f"stays {NOW + 1} 2 h=a", f"after {NOW} 1 h=a")
        shown = "[...document.querySelectorAll('.row:not([hidden]) .metric')].map((metric) => metric.innerText).join()"
        tab.until(f"{shown} === 'after,stays'", "what the new one has, and nothing else")
        tab.until("document.querySelector('#detail h2')?.innerText === 'stays' && document.querySelectorAll('#detail tbody tr').length === 2", "its chart")
    finally:
        again.close()
