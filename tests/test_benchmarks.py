"""The benchmarks, run short: every figure is there, and no copy is lost. Tests don't check how fast anything is."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.fanout.contenders import pinned_node, pinned_python
from benchmarks.fanout.measure import QUICK
from benchmarks.fanout.tables import MARKERS, tables
from tests.clients import ROOT

TALK = {"deliveries_per_second", "deliveries_per_cpu_second", "p50_ms", "p99_ms", "max_ms"}


@pytest.fixture(scope="module")
def servers() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fanout", "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["left_out"] == {}
    servers: dict[str, Any] = told["servers"]
    return servers


def test_ours_and_the_naive_one_are_measured_with_every_copy_there(servers: dict[str, Any]) -> None:
    assert list(servers) == ["ours", "naive"]
    for server in servers.values():
        assert server["missing"] == 0
        assert {"kib_per_connection", "handshakes_per_cpu_second"} <= set(server)
        assert set(server["clients"]) == {str(count) for count in (*QUICK.few, QUICK.many, QUICK.idle, QUICK.most)}
        talks = [talk for clients in server["clients"].values() for talk in clients.values()]
        assert len(talks) == len(server["clients"]) * len(QUICK.outstanding)
        for talk in (*talks, server["fixed"], server["rooms"]):
            assert all(talk[name] > 0 for name in TALK), talk


def test_the_tables_have_a_row_for_each(servers: dict[str, Any]) -> None:
    text = tables(servers, {"somebody": "is not there"}, QUICK)
    for server in servers.values():
        assert text.count(f"| {server['name']} |") == 3
    assert text.endswith("Left out: somebody (is not there).")


def test_the_collector_is_watched() -> None:
    command = [sys.executable, "-m", "benchmarks.collector", "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert sum(told["Python's own"]["collections"]) > sum(told["tuned"]["collections"])
    assert all(figures["full_ms"] > 0 for figures in told.values())


def test_the_readme_has_a_place_for_them() -> None:
    readme = (ROOT / "README.md").read_text()
    assert readme.index(MARKERS[0]) < readme.index(MARKERS[1])


def test_what_others_wrote_is_pinned() -> None:
    assert all("==" in line for line in pinned_python().values())
    assert all(version[0].isdigit() for version in pinned_node().values())
