"""The two tiers of tests, and what every test has: a deadline, and a plain environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import FrameType

import hypothesis
import pytest

from tests import parts
from tests.clients import DEADLINE

TEST_DEADLINE = 600
HERE = "127.0.0.1", "::1", "localhost"
WORKERS_PER_CORE = 2
"""`make test` runs so many tests at once: they spend half their time waiting for a server, a browser or a clock."""

hypothesis.settings.register_profile(
    # A machine that is busy is slow: only a test's deadline is a reason to fail.
    "busy",
    hypothesis.settings(),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("busy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slow", metavar="PARTS", default="", help=f"run parts of the slow tier: {', '.join(parts.PARTS)}, all"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow(part): runs in `make slow` only; tests/parts.py lists the parts")
    try:
        parts.chosen(config.getoption("slow"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):  # a make that a test runs isn't a part of `make test`
        os.environ.pop(name, None)
    for name in ("FORCE_COLOR", "PY_COLORS", "PYTEST_ADDOPTS"):  # what other programs write is read, colours are not
        os.environ.pop(name, None)
    for name in ("http_proxy", "all_proxy", "no_proxy"):  # what tests talk to is here; pip and npm use https_proxy
        before = [os.environ.pop(each, "") for each in (name, name.upper())]
        if name == "no_proxy":
            os.environ[name] = ",".join(filter(None, (*HERE, *before)))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The number of workers for `-n auto`. Few tests are not worth what the start of a worker takes."""
    cores = len(os.sched_getaffinity(0))
    return cores if config.getoption("keyword") else WORKERS_PER_CORE * cores


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the tier that is run."""
    wanted = parts.chosen(config.getoption("slow"))
    kept: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        part = part_of(item)
        kept[part in wanted if wanted else not part and not lacks_browser(item)].append(item)
    config.hook.pytest_deselected(items=kept[False])
    items[:] = kept[True]


def part_of(item: pytest.Item) -> str:
    """The part of the slow tier that a test is in; "" for the fast tier."""
    mark = item.get_closest_marker("slow")
    if mark is None:
        return ""
    if mark.kwargs or len(mark.args) != 1 or mark.args[0] not in parts.PARTS:
        raise pytest.UsageError(f"{item.nodeid}: expected slow(part) with one of {', '.join(parts.PARTS)}")
    return str(mark.args[0])


def lacks_browser(item: pytest.Item) -> bool:
    """Whether a test can't run here for want of Chromium. In CI it runs, and fails."""
    return "chromium" in getattr(item, "fixturenames", ()) and not (parts.located("chromium") or os.environ.get("CI"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not (config.getoption("slow") or parts.located("chromium") or os.environ.get("CI")):
        terminalreporter.write_line(
            f"The tests in a browser did not run: chromium is not installed ({parts.remedy('chromium')})", yellow=True
        )


@pytest.fixture(scope="session", autouse=True)
def _signals_for_programs() -> None:
    """Let the programs that tests start get every signal, while the tests themselves go on ignoring it.

    `nohup make test` makes the tests ignore SIGHUP, and a script that runs them in the background SIGINT and SIGQUIT. A
    process passes an ignored signal on to the programs it starts, but not a handler. SIGINT gets Python's own, since
    the chat takes any other for that of the server that runs it.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            own = signal.default_int_handler if number == signal.SIGINT else lambda *_: None
            signal.signal(number, own)


@pytest.fixture(autouse=True)
def _deadline() -> Iterator[None]:
    """Fail a test that hangs, with a trace of where."""

    def expire(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"the test took over {TEST_DEADLINE} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(TEST_DEADLINE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests mean what they say, whatever is set where they run."""
    for name in ("APP_CONFIG", "HOST", "PORT", "WEB_CONCURRENCY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHAT_STORE", ":memory:")
    monkeypatch.setattr("app.testing.host.DEADLINE", DEADLINE)
    monkeypatch.setattr("app.backends.search.client.PATIENCE", DEADLINE)  # its process gives way to all others


def need(program: str) -> str:
    """The path of a program, or else the test fails with what installs it."""
    path = parts.located(program)
    if path is None:
        pytest.fail(f"{program} is not installed: {parts.remedy(program)}", pytrace=False)
    return path
