"""What the page costs to open, and whether it stays responsive in a busy room, in Debian's Chromium.

    python -m benchmarks.page [--runs 7] [--seconds 60] [--rate 50] [--history 10000] [--json]

First load: KiB of all responses, headers included, until the page is ready for someone who opens it for the first
time, and milliseconds until a name can be typed; then milliseconds until a returning user can type a message. Medians
over `--runs` browsers with empty profiles.
Busy: a page in a room with `--history` messages receives `--rate` more per second, for `--seconds`. Counted are tasks
of the main thread that took over 50 ms (what browsers call long) and the longest of them, the most elements that the
page had, the time from sending a message until it was drawn, and messages that never were.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks import report
from benchmarks.clients import connect, fill, message
from benchmarks.servers import ROOT, natter, serve

DEADLINE = 30.0
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
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, for the length of a block."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def new_page(browser: Browser) -> tuple[BrowserContext, Page, list[float]]:
    """A page with an empty profile, and the list that the sizes of its responses go to."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(WATCH)
    page = context.new_page()
    sizes: list[float] = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    return context, page, sizes


def until(page: Page, mark: str) -> float:
    """Wait until the page has set a performance mark. Return when it did, in milliseconds after its start."""
    page.wait_for_function(f"() => performance.getEntriesByName('{mark}').length", timeout=DEADLINE * 1000)
    return float(page.evaluate(f"performance.getEntriesByName('{mark}')[0].startTime"))


def enter(page: Page, name: str) -> None:
    page.locator("input:visible").first.fill(name)
    page.keyboard.press("Enter")
    until(page, "composer")


def first_load_bytes(browser: Browser, address: str) -> float:
    """The bytes that the page at `address` takes to open for the first time, headers included."""
    context, page, sizes = new_page(browser)
    page.goto(address, wait_until="networkidle")
    until(page, "name")
    context.close()
    return sum(sizes)


def first_load(browser: Browser, address: str, runs: int) -> dict[str, float]:
    """What opening the page takes, for the first time and again."""
    kib, first, again = [], [], []
    for run in range(runs):
        context, page, sizes = new_page(browser)
        page.goto(address, wait_until="networkidle")
        first.append(until(page, "name"))
        kib.append(sum(sizes) / 1024)
        enter(page, f"guest{run}")
        page.reload()
        again.append(until(page, "composer"))
        context.close()
    figures = {"first_load_kib": kib, "interactive_ms": first, "interactive_again_ms": again}
    return {name: round(statistics.median(values), 1) for name, values in figures.items()}


async def speak(url: str, rate: float, seconds: float) -> None:
    """Send `rate` messages per second, each with its number and the time."""
    client = await connect(url)
    await client.ask("join", room="lobby")
    client.ignore_texts()
    started = time.perf_counter()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(started + number / rate - time.perf_counter())
        text = f"busy {number} {time.time() * 1000:.0f} {'word ' * (number % 12)}"
        client.send(message("lobby", f"b{number}", text))
    await client.close()


def busy(browser: Browser, address: str, flags: argparse.Namespace) -> dict[str, float]:
    """What reading along in a busy room with a long history takes."""
    chat = f"{address.replace('http', 'ws')}/chat"
    past = fill(chat, flags.history, lambda n: f"message {n} of the history {'word ' * (n % 9)}")
    with ThreadPoolExecutor() as pool:  # Playwright has this thread's loop
        pool.submit(asyncio.run, past).result()
    context, page, _ = new_page(browser)
    page.goto(f"{address}/#lobby")
    enter(page, "reader")
    page.evaluate(COUNT)
    page.evaluate("window.longTasks.length = 0")
    own = [sys.executable, "-m", "benchmarks.page", "--speak", f"{chat}?name=speaker"]
    speaking = subprocess.Popen([*own, "--rate", str(flags.rate), "--seconds", str(flags.seconds)], cwd=ROOT)
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
    parser = report.parser(__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--history", type=int, default=10_000)
    parser.add_argument("--speak", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.speak:
        asyncio.run(speak(flags.speak, flags.rate, flags.seconds))
        return
    with serve(natter(), pinned=False) as server, chromium() as browser:
        figures = first_load(browser, server.http, flags.runs) | busy(browser, server.http, flags)
    report.show(figures, flags)


if __name__ == "__main__":
    main()
