"""Chromium, driven over a pipe by its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/.

Messages are JSON, ended by a zero byte, on descriptors 3 and 4 of the browser: no port, no library, nothing to install but
the browser. Every wait has an end.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from typing import Any

LONG = 30.0
"""Seconds that anything may take: a bound, never a pause."""

FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-proxy-server",
    "--force-color-profile=srgb", "--hide-scrollbars",
)  # fmt: skip


def command() -> str | None:
    """The browser, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Chromium:
    """A browser without windows."""

    def __init__(self, browser: str) -> None:
        self.profile = tempfile.TemporaryDirectory(prefix="potsdb-chromium-", ignore_cleanup_errors=True)
        theirs, ours = os.pipe(), os.pipe()
        # In a container there is no sandbox to be had, and root gets none: the only page it opens is ours.
        flags = [*FLAGS, f"--user-data-dir={self.profile.name}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        # The two ends as 3 and 4, whatever their numbers are here.
        wired = f'exec "$0" "$@" 3<&{theirs[0]} 4>&{ours[1]}'
        self.process = subprocess.Popen(
            ["bash", "-c", wired, browser, *flags, "about:blank"],
            pass_fds=(theirs[0], ours[1]), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs[0])
        os.close(ours[1])
        self._out, self._in = theirs[1], ours[0]
        self._read, self._number, self.events = b"", 0, []

    def close(self) -> None:
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except Exception:
            self.process.kill()
            self.process.wait()
        os.close(self._out)
        os.close(self._in)
        self.profile.cleanup()

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Asks for something, and waits for the answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        # Longer than anything that is waited for in the page itself, which then says what was missing.
        deadline = time.monotonic() + 2 * LONG
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def tab(self, **how: Any) -> Tab:
        """A tab of a profile of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Tab(self, session, **how)

    def _next(self, deadline: float, what: str) -> Any:
        while b"\0" not in self._read:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise TimeoutError(f"{what}: no answer from the browser")
            piece = os.read(self._in, 1 << 20)
            if not piece:
                raise ConnectionError("the browser is gone")
            self._read += piece
        message, self._read = self._read.split(b"\0", 1)
        return json.loads(message)


class Tab:
    """A page that is open."""

    def __init__(self, browser: Chromium, session: str, *, width: int = 1360, height: int = 850, scale: float = 1, dark: bool = False) -> None:
        self.browser, self.session = browser, session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def call(self, method: str, **parameters: Any) -> Any:
        return self.browser.call(method, self.session, **parameters)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'", "the page is loaded")

    def run(self, script: str) -> Any:
        """The value of an expression; promises are waited for."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, allowUnsafeEvalBlockedByCSP=False)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']['exception'].get('description')}")
        return result["result"].get("value")

    def until(self, script: str, what: str, seconds: float = LONG) -> float:
        """Waits until an expression is true, looking every 10 ms; returns after how many seconds it was."""
        began = time.monotonic()
        looks = f"""new Promise((done) => {{
            const end = performance.now() + {seconds * 1000};
            const look = () => {{
                let is = false;
                try {{ is = Boolean({script}); }} catch (error) {{ /* not yet */ }}
                if (is || performance.now() > end) done(is); else setTimeout(look, 10);
            }};
            look();
        }})"""
        assert self.run(looks), f"not within {seconds} s: {what} ({script}); the page says {self.text('body')[:2000]!r}"
        return time.monotonic() - began

    def text(self, selector: str) -> str:
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def click(self, selector: str) -> None:
        """Clicks in the middle of an element, as a person does."""
        place = self.run(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: 'nearest'}});
            const {{x, y, width, height}} = element.getBoundingClientRect();
            return [x + width / 2, y + height / 2];
        }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        codes = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38}
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=codes.get(key, 0), **more)

    def picture(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def complaints(self) -> list[str]:
        """What the browser logged as errors, uncaught exceptions and broken policies among it."""
        self.run("0")
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            method, parameters = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                found.append(details.get("exception", {}).get("description") or details["text"])
            elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
                found.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
            elif method == "Runtime.consoleAPICalled" and parameters["type"] == "error":
                found.append(str(parameters["args"]))
        return found
