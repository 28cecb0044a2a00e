"""A real Chromium, told what to do over a pipe (Chrome DevTools Protocol): pages, clicks, keys, pictures.

It reaches this machine alone: every other name is unknown to it. Each tab is a visitor without a past.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.soak.tools import CHROMIUM, SCREENS, need

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# Chromium reads its orders from descriptor 3 and answers on 4.
_LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
_PATIENCE = 30.0
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " ")}


class Browser:
    """One Chromium process with an empty profile."""

    def __init__(self, profile: Path) -> None:
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        # High numbers, so that neither is what the other shall become.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (orders, answers)]
        launch = [sys.executable, "-c", _LAUNCH, *map(str, ends), need(CHROMIUM), *FLAGS, f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(launch, pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in (orders, answers, *ends):
            os.close(end)
        self._number, self._half = 0, b""
        self.events: list[dict[str, Any]] = []
        self._results: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._orders)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._answers)

    def call(self, method: str, session: str | None = None, /, **given: Any) -> dict[str, Any]:
        """Give one order and wait for its answer; what happened meanwhile is added to `events`."""
        self._number += 1
        number = self._number
        order = {"id": number, "method": method, "params": given} | ({"sessionId": session} if session else {})
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        self.until(lambda: number in self._results, method)
        answer = self._results.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def until(self, holds: Callable[[], Any], what: str) -> None:
        """Read what Chromium says until something holds; fails after half a minute."""
        end = time.monotonic() + _PATIENCE
        while not holds():
            assert self._read(end - time.monotonic()), f"Chromium did not get done within {_PATIENCE:g} s: {what}"

    def settle(self, seconds: float = 0.3) -> None:
        """Read on until nothing has been said for a while."""
        while self._read(seconds):
            pass

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._answers], [], [], max(seconds, 0))
        if not ready:
            return False
        got = os.read(self._answers, 1 << 20)
        assert got, "Chromium has ended"
        *whole, self._half = (self._half + got).split(b"\0")
        for each in map(json.loads, whole):
            if "id" in each:
                self._results[each["id"]] = each
            else:
                self.events.append(each)
        return True

    @contextmanager
    def visitor(self, **options: Any) -> Iterator[Tab]:
        """A tab of somebody who has never been here."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        try:
            yield Tab(self, session, **options)
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)


class Tab:
    """What one visitor sees and does."""

    def __init__(self, browser: Browser, session: str, *, language: str = "en") -> None:
        self.browser, self.session = browser, session
        self.since = len(browser.events)
        for domain in ("Page", "Runtime", "Network", "Log", "DOM", "Accessibility", "Audits"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        agent = browser.call("Browser.getVersion")["userAgent"].replace("Headless", "")
        # As on a phone, where they take no room: a picture is as wide as its window.
        self.call("Emulation.setScrollbarsHidden", hidden=True)
        self.call("Network.setUserAgentOverride", userAgent=agent, acceptLanguage=language)
        self.shaped(1280)

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """An order to this tab."""
        return self.browser.call(method, self.session, **given)

    def heard(self, *methods: str) -> list[dict[str, Any]]:
        """What this tab has told of some kinds, in order."""
        events = self.browser.events[self.since :]
        return [
            each["params"] for each in events if each.get("sessionId") == self.session and each["method"] in methods
        ]

    # --- What it looks like -------------------------------------------------------------------------------------------

    def shaped(self, width: int, height: int = 800, *, zoom: float = 1, dark: bool = False) -> None:
        """Width and height of the window; zoomed, as many of its pixels make one of the page."""
        size = {"width": round(width / zoom), "height": round(height / zoom), "deviceScaleFactor": zoom}
        self.call("Emulation.setDeviceMetricsOverride", mobile=False, **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, name: str) -> Path:
        """The whole page as `.soak/screens/<name>.png`."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        path = SCREENS / f"{name}.png"
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))
        return path

    # --- What it does -------------------------------------------------------------------------------------------------

    def go(self, url: str) -> None:
        """Open an address and wait until it is there."""
        with self.loading():
            self.call("Page.navigate", url=url)

    def show(self, html: str) -> None:
        """Show a page that comes from nowhere."""
        frame = self.call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self.call("Page.setDocumentContent", frameId=frame, html=html)
        self.browser.settle(0.05)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """What is done inside leads to another page, and that page is there afterwards."""
        now = self._loader()
        heard = len(self.heard("Page.lifecycleEvent"))

        def there() -> bool:
            new = self.heard("Page.lifecycleEvent")[heard:]
            return any(each["name"] == "load" and each["loaderId"] != now for each in new)

        yield
        self.browser.until(there, "load a page")

    def _loader(self) -> str:
        return self.call("Page.getFrameTree")["frameTree"]["frame"]["loaderId"]

    def click(self, selector: str) -> None:
        """Press the mouse where the element is."""
        box = f"document.querySelector({json.dumps(selector)})"
        x, y = self.value(
            f"(() => {{ const e = {box}; e.scrollIntoView({{block: 'center'}}); const r = e.getClientRects()[0];"
            " return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key."""
        number, text = _KEYS[key]
        given = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **given)
        self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    # --- What came of it ----------------------------------------------------------------------------------------------

    def value(self, expression: str) -> Any:
        """What an expression is on the page; the page's own policy does not bind it."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def text(self) -> str:
        """The words that show."""
        return self.value("document.body.innerText")

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return self.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def accessible(self) -> list[dict[str, str]]:
        """What a screen reader is told: role and name, in order."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            {part: str(node.get(part, {}).get("value", "")) for part in ("role", "name")}
            for node in nodes
            if not node["ignored"]
        ]

    def asked_for(self) -> list[str]:
        """Every address that was asked for, in order."""
        return [each["request"]["url"] for each in self.heard("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """Whatever stands in the console or among the issues: errors, warnings, refusals by the policy."""
        entries = [each["entry"]["text"] for each in self.heard("Log.entryAdded")]
        calls = [str(each["args"]) for each in self.heard("Runtime.consoleAPICalled")]
        thrown = [each["exceptionDetails"]["text"] for each in self.heard("Runtime.exceptionThrown")]
        issues = [each["issue"]["code"] for each in self.heard("Audits.issueAdded")]
        return [*entries, *calls, *thrown, *issues]

    def keepsakes(self) -> list[Any]:
        """What the browser was made to remember: cookies and storage."""
        cookies = self.call("Network.getAllCookies")["cookies"]
        kept = "(async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length])()"
        # A page in a sandbox has no storage at all, and says so by an error.
        counts = self.value(f"{kept}.catch(error => {{ if (error.name !== 'SecurityError') throw error; return [] }})")
        return [*cookies, *(count for count in counts if count)]
