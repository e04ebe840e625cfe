"""What the page costs who opens it, and whether it stays quick in a busy room, in Debian's chromium.

    python -m benchmarks.page [--runs 7] [--seconds 60] [--rate 50] [--history 10000] [--json]

First load: the bytes of every answer until the page is ready, heads included, to somebody who was never there, and the
milliseconds until the name can be typed; the same until somebody who comes back can type a message. Medians over
`--runs` browsers with nothing kept.
Busy: a page in a room with `--history` messages hears `--rate` more a second, for `--seconds`. Tasks of the page's main
thread that took over 50 ms (what browsers call long), the longest of them, how many elements the page grew to, how long
a message took from its sender until it was drawn, and whether all of them came.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).parent.parent
DEADLINE = 30.0
FLAGS = (
    "-P:chat.limits.rate=0",
    "-P:app.deployment.host=127.0.0.1",
    "-P:app.deployment.port=0",
)
COUNT = """
window.drawn = new Map();
new MutationObserver((changes) => {
  const now = Date.now();
  for (const { type, target, addedNodes } of changes) {
    for (const node of type === "childList" ? addedNodes : [target]) {
      for (const [, number, sent] of (node.textContent ?? "").matchAll(/busy (\\d+) (\\d+)/g)) {
        if (!window.drawn.has(number)) window.drawn.set(number, now - sent);
      }
    }
  }
}).observe(document.querySelector("[role=log]"), { subtree: true, childList: true, characterData: true });
"""
RESULTS = """
({ long: window.longTasks, drawn: [...window.drawn.values()], nodes: document.getElementsByTagName("*").length })
"""
WATCH = """
window.longTasks = [];
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({ type: "longtask", buffered: true });
new MutationObserver((_, observer) => {
  const field = [...document.querySelectorAll("input, textarea")].find((one) => one.offsetParent && !one.disabled);
  const kind = field && (field.tagName === "TEXTAREA" ? "composer" : "name");
  if (kind && !performance.getEntriesByName(kind).length) performance.mark(kind);
  if (kind === "composer") observer.disconnect();
}).observe(document, { subtree: true, childList: true, attributes: true });
"""


@contextmanager
def server(folder: str) -> Iterator[str]:
    """A server of its own; its address."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHAT_STORE": f"{folder}/chat.db"}
    command = [sys.executable, "-m", "app", *FLAGS]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        line = next((line for line in process.stderr if "Responding at" in line), None)
        if line is None:
            raise SystemExit("the server ended before it answered")
        yield line.split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE)


class Speaker:
    """Somebody in the room who speaks."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.ask(t="join", room="lobby", rid=1)

    def tell(self, **frame: Any) -> None:
        self.connection.send(json.dumps(frame))

    def ask(self, **frame: Any) -> None:
        """Send a request and wait for its answer."""
        self.tell(**frame)
        while json.loads(self.connection.recv(DEADLINE)).get("rid") != frame["rid"]:
            pass

    def fill(self, count: int) -> None:
        """Say `count` different messages, and wait until all are stored."""
        for number in range(count):
            self.tell(
                t="msg",
                room="lobby",
                cid=f"h{number}",
                text=f"message {number} of the history {'word ' * (number % 9)}",
            )
            if number % 200 == 199 or number == count - 1:
                while json.loads(self.connection.recv(DEADLINE)).get("cid") != f"h{number}":
                    pass

    def speak(self, rate: float, seconds: float) -> int:
        """Say `rate` messages a second; how many it were."""
        reader = threading.Thread(target=lambda: [None for _ in self.connection], daemon=True)
        reader.start()  # who reads nothing is put out after a while
        total, started = int(rate * seconds), time.perf_counter()
        for number in range(total):
            wait = started + number / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            self.tell(
                t="msg",
                room="lobby",
                cid=f"b{number}",
                text=f"busy {number} {time.time() * 1000:.0f} {'word ' * (number % 12)}",
            )
        return total


@contextmanager
def speaker(address: str, name: str) -> Iterator[Speaker]:
    url = f"{address.replace('http', 'ws')}/chat?name={name}"
    with connect(url, subprotocols=[Subprotocol("chat.v1.json")], compression=None) as connection:
        yield Speaker(connection)


def opened(browser: Browser) -> tuple[BrowserContext, Page, list[float]]:
    """A page of a browser with nothing kept, and where the sizes of the answers that it gets are noted."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(WATCH)
    page = context.new_page()
    sizes: list[float] = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    return context, page, sizes


def until(page: Page, mark: str) -> float:
    """Wait until the page has made a mark; in how many milliseconds after its start it did."""
    page.wait_for_function(f"() => performance.getEntriesByName('{mark}').length", timeout=DEADLINE * 1000)
    return float(page.evaluate(f"performance.getEntriesByName('{mark}')[0].startTime"))


def enter(page: Page, name: str) -> None:
    page.locator("input:visible").first.fill(name)
    page.keyboard.press("Enter")
    until(page, "composer")


def first_load(browser: Browser, address: str, runs: int) -> dict[str, float]:
    """Bytes and milliseconds of opening the page for the first time, and of coming back."""
    kib, first, back = [], [], []
    for run in range(runs):
        context, page, sizes = opened(browser)
        page.goto(address, wait_until="networkidle")
        first.append(until(page, "name"))
        kib.append(sum(sizes) / 1024)
        enter(page, f"guest{run}")
        page.reload()
        back.append(until(page, "composer"))
        context.close()
    figures = {"first_load_kib": kib, "interactive_ms": first, "interactive_again_ms": back}
    return {name: round(statistics.median(values), 1) for name, values in figures.items()}


def busy(browser: Browser, address: str, flags: argparse.Namespace) -> dict[str, float]:
    """What a minute in a busy room with a long history takes."""
    with speaker(address, "filler") as filler:
        filler.fill(flags.history)
    context, page, _ = opened(browser)
    page.goto(f"{address}/#lobby")
    enter(page, "reader")
    page.evaluate(COUNT)
    page.evaluate("window.longTasks.length = 0")
    speaking = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "benchmarks.page",
            "--speak",
            address,
            "--rate",
            str(flags.rate),
            "--seconds",
            str(flags.seconds),
        ],
        cwd=ROOT,
    )
    nodes = 0
    while speaking.poll() is None:
        page.wait_for_timeout(1000)
        nodes = max(nodes, page.evaluate("document.getElementsByTagName('*').length"))
    total = int(flags.rate * flags.seconds)
    page.wait_for_function(f"() => window.drawn.has('{total - 1}')", timeout=DEADLINE * 1000)
    results = page.evaluate(RESULTS)
    drawn = sorted(results["drawn"])
    context.close()
    return {
        "messages": total,
        "missing": total - len(drawn),
        "drawn_p50_ms": drawn[len(drawn) // 2],
        "drawn_p99_ms": drawn[len(drawn) * 99 // 100],
        "long_tasks": len(results["long"]),
        "longest_task_ms": round(max(results["long"], default=0)),
        "most_elements": max(nodes, results["nodes"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--history", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--speak", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.speak:
        with speaker(flags.speak, "speaker") as one:
            one.speak(flags.rate, flags.seconds)
        return
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("benchmarks.page: chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, server(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        figures = first_load(browser, address, flags.runs) | busy(browser, address, flags)
        browser.close()
    if flags.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):24} {value:,}")


if __name__ == "__main__":
    main()
