"""`make attack`, run short: every attack runs, and the verdict says what it does. Tests don't check how fast anything
is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from benchmarks.attacks.attack import ATTACKS
from benchmarks.attacks.families import load
from benchmarks.attacks.scene import Figures, most_lines
from tests.clients import DEADLINE, ROOT

load()


def quick(*names: str) -> dict[str, Any]:
    """What the command prints for these attacks with --quick."""
    words = [sys.executable, "-m", "benchmarks.attacks", "--quick", "--json", "--only", *names]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=12 * DEADLINE)
    assert done.returncode in (0, 1), done.stderr  # so short a measurement may be anything
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def test_an_attack_is_measured_with_and_without() -> None:
    (figures,) = quick("pings").values()
    assert figures["alone"]["count"] > 0 < figures["beside"]["count"]
    assert figures["mib"] >= figures["mib_before"] > 0
    assert figures["problem"] == ""


@pytest.mark.slow("faults")
@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_runs_and_leaves_a_server_that_answers(name: str) -> None:
    assert quick(name)[name]["problem"] == ""


def figures(**different: Any) -> Figures:
    """Figures of an attack that is held."""
    delays = {"count": 10.0, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 2.0}
    one = Figures(delays, dict(delays), 3.0, 3.0, 50.0, 60.0, 20, 15, Counter({"closed 1008": 1}))
    for name, value in different.items():
        setattr(one, name, value)
    return one


@pytest.mark.parametrize(
    ("different", "verdict"),
    [
        ({}, "holds"),
        ({"beside": {"count": 10.0, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 5.0}}, "p99 × 2.5"),
        ({"mib": 2000.0}, "2,000 MiB"),
        ({"most_lines": 22}, "22 lines a minute"),
        ({"problem": "the bystander's connection ended"}, "the bystander's connection ended"),
    ],
)
def test_the_verdict_says_what_does_not_hold(different: dict[str, Any], verdict: str) -> None:
    assert figures(**different).verdict == verdict


def test_lines_of_one_kind_and_address_are_counted_by_minute() -> None:
    lines = [f"2026-01-01 10:00:0{n}.123 INFO  chat: user{n} of 127.0.0.10 sends {n} commands" for n in range(3)]
    lines += ["2026-01-01 10:00:09.123 INFO  chat: user9 of 127.0.0.11 sends 9 commands"]
    lines += ["2026-01-01 10:01:00.123 INFO  chat: user9 of 127.0.0.10 sends 9 commands"]
    assert most_lines(lines) == 3
