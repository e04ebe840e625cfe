"""The benchmarks, run short: every figure is there, and no copy is lost. Tests don't check how fast anything is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import readers, report, store
from benchmarks.fanout import __main__ as fanout_command
from benchmarks.fanout import small
from benchmarks.fanout.contenders import Contender, pinned_node, pinned_python
from benchmarks.fanout.measure import QUICK
from benchmarks.fanout.tables import MARKERS, SMALL_MARKERS, tables
from benchmarks.guard import __main__ as guard
from benchmarks.guard import builds
from benchmarks.guard.builds import BuildError, of_commit, of_working_tree
from benchmarks.guard.rows import ROWS, Pair, failed, judge
from benchmarks.guard.scenes import SCENES, Round
from benchmarks.servers import Build, Program
from tests.clients import DEADLINE, ROOT

TALK = {"deliveries_per_second", "deliveries_per_cpu_second", "p50_ms", "p99_ms", "max_ms"}


def benchmark(name: str, *flags: str) -> dict[str, Any]:
    """What a benchmark prints with --quick."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--json", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=12 * DEADLINE)
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.fixture(scope="module")
def fanout() -> dict[str, Any]:
    figures = benchmark("fanout")
    assert figures["left_out"] == {}
    return figures


@pytest.fixture(scope="module")
def servers(fanout: dict[str, Any]) -> dict[str, Any]:
    servers: dict[str, Any] = fanout["servers"]
    return servers


def test_ours_and_the_naive_one_are_measured_with_every_copy_there(servers: dict[str, Any]) -> None:
    assert list(servers) == ["ours", "naive"]
    for server in servers.values():
        assert server["missing"] == 0
        assert {"kib_per_connection", "handshakes_per_cpu_second"} <= set(server)
        assert set(server["clients"]) == {str(count) for count in (*QUICK.few, QUICK.many, QUICK.idle, QUICK.most)}
        talks = [talk for clients in server["clients"].values() for talk in clients.values()]
        assert len(talks) == len(server["clients"]) * len(QUICK.outstanding)
        everything = (*talks, server["fixed"])
        assert all(talk.keys() >= TALK for talk in everything)
        # On a busy machine nothing may arrive in the third of a second that one of them is measured.
        assert any(all(talk[name] for name in TALK) for talk in everything), everything


def test_a_table_replaces_the_one_in_a_page(tmp_path: Path) -> None:
    page, markers = tmp_path / "page.md", ("<!-- figures -->", "<!-- end of figures -->")
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    report.write(page, "new", markers)
    assert page.read_text() == "before\n<!-- figures -->\n\nnew\n\n<!-- end of figures -->\nafter\n"
    with pytest.raises(SystemExit, match="expected the markers"):
        report.write(page, "new", ("<!-- other -->", "<!-- end of other -->"))


def test_the_tables_have_a_row_for_each(servers: dict[str, Any]) -> None:
    text = tables(servers, {"somebody": "is not installed"}, QUICK)
    for server in servers.values():
        assert text.count(f"| {server['name']} |") == 2
    assert text.endswith("Left out: somebody (is not installed).")


def test_small_rooms_are_measured_with_every_server(fanout: dict[str, Any]) -> None:
    figures = fanout["small"]
    assert list(figures) == ["ours", "naive"]
    for rows in figures.values():
        assert list(rows) == ["rooms-1", "rooms-64", "rooms-1000", "room-1", "room-8", "room-64"]
        assert any(value > 0 for some in rows.values() for value in some)
    table = small.table_of_deliveries({"ours": "Natter", "naive": "naive"}, figures, small.QUICK)
    assert table.splitlines()[-2].startswith("| Natter | ")


def test_ours_is_compared_with_others_round_by_round() -> None:
    figures = {"ours": {"rooms-64": [50.0, 90.0, 10.0]}, "uwebsockets": {"rooms-64": [100.0, 100.0, 100.0]}}
    ratio = small.ratios(figures)["rooms-64"]["uwebsockets"]
    assert str(ratio) == "0.50 (0.10–0.90); goal 0.85, **short**"


def test_a_server_that_does_not_start_is_left_out_and_fails_the_comparison(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Contender("ours", "Natter", Program([sys.executable, "-c", "raise SystemExit('no disk')"]), rooms=True)
    monkeypatch.setattr(fanout_command, "find", lambda *_: ([broken], {}))
    monkeypatch.setattr(sys, "argv", ["fanout", "--small", "--quick", "--json"])
    assert fanout_command.main() == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["left_out"] == {"Natter": "no disk"}
    assert "left out: Natter: no disk" in err


def test_acknowledgements_and_a_long_past_are_measured() -> None:
    figures = benchmark("store")
    acks = {"acks_per_second", "acks_per_cpu_second", "ack_p50_ms", "ack_p99_ms", "idle_ack_p50_ms"}
    past = {"start_seconds", "join_with_50_ms", "search_common_ms", "search_rare_ms", "search_none_ms"}
    assert figures.keys() == acks | past | {"appends_per_second", "resume_10000_seconds"}
    assert all(value >= 0 for value in figures.values())


@pytest.mark.slow("packages")
def test_acknowledgements_are_compared_with_an_older_build(tmp_path: Path) -> None:
    figures = benchmark("store", "--against", "HEAD", "--cache", str(tmp_path))
    assert list(figures) == ["acks", "ack-idle"]
    assert all(row["old"] > 0 < row["new"] for row in figures.values())


def test_a_commit_that_is_not_there_has_no_store_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["store", "--against", "no-such-commit", "--cache", str(tmp_path / "cache")])
        assert store.main() == 2
    assert "store: commit no-such-commit is not in this clone" in capsys.readouterr().err


def test_a_bystander_is_measured_beside_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "past.db"
    for _ in range(2):  # a store that is there is used again
        figures = benchmark("readers", "--store", str(path))
        assert figures["alone"]["count"] > 0 < figures["beside_a_reader"]["count"]
        assert figures["ratio_of_p99"] > 0
        assert figures["refused"] == {}
        assert list(figures["answers"]) == list(readers.COMMANDS)
        assert all(answers["count"] > 0 for answers in figures["answers"].values())


def test_the_search_index_is_measured() -> None:
    figures = benchmark("search")
    assert figures["messages"] == 2000
    assert figures["index_to_text"] > 0 < figures["unicode61_to_text"]
    searches = figures["milliseconds"]
    assert all(search["p50"] <= search["p95"] <= search["max"] for search in searches.values())
    assert searches["a common word"]["found"] == 1


def test_the_made_up_words_are_always_the_same() -> None:
    one, other = readers.Language(), readers.Language()
    assert [one.message(number) for number in range(5)] == [other.message(number) for number in range(5)]
    assert all(prefix.endswith("*") and len(prefix) <= 5 for prefix in (one.prefix() for _ in range(20)))


def test_the_collector_is_watched() -> None:
    figures = benchmark("collector")
    assert sum(figures["Python's own"]["collections"]) > sum(figures["tuned"]["collections"])
    assert all(collector["full_ms"] > 0 for collector in figures.values())


def test_the_readme_has_a_place_for_them() -> None:
    readme = (ROOT / "README.md").read_text()
    for first, last in (MARKERS, SMALL_MARKERS):
        assert readme.index(first) < readme.index(last)


def test_what_others_wrote_is_pinned() -> None:
    assert all("==" in line for line in pinned_python().values())
    assert all(version[0].isdigit() for version in pinned_node().values())


def rounds(*ratios: float, old: float = 100) -> list[Pair]:
    return [Pair(old, old * ratio) for ratio in ratios]


@pytest.mark.parametrize(
    ("row", "ratios", "holds"),
    [
        ("acks", (0.95,), True),
        ("acks", (0.949,), False),
        ("acks", (3.0,), True),
        ("acks", (0.1, 0.1, 0.96, 0.97, 0.98), True),
        ("acks", (0.9, 0.94, 0.94, 1.9, 1.9), False),
        ("start", (1.05,), True),
        ("start", (1.051,), False),
        ("start", (0.3,), True),
        ("bare", (1.6,), True),
        ("bare", (1.61,), False),
        ("connection", (1.06,), False),
        ("rss", (1.25,), True),
        ("rss", (1.251,), False),
    ],
)
def test_the_median_of_the_ratios_is_held_to_its_bound(row: str, ratios: Sequence[float], holds: bool) -> None:
    (verdict,) = judge({row: rounds(*ratios)})
    assert verdict.holds is holds


@pytest.mark.parametrize(("kib", "holds"), [(60.0, True), (60.1, False)])
def test_the_first_load_is_held_to_a_size_whatever_it_was_before(kib: float, holds: bool) -> None:
    (verdict,) = judge({"page": [Pair(20, kib), Pair(20, kib), Pair(20, 90)]})
    assert verdict.holds is holds


def test_a_row_fails_the_guard_only_twice() -> None:
    first = judge({"acks": rounds(0.9), "start": rounds(1.2), "search": rounds(1.0)})
    again = judge({"acks": rounds(1.0), "start": rounds(1.1)})
    assert [verdict.row.name for verdict in failed(first, again)] == ["start"]


def made_up(monkeypatch: pytest.MonkeyPatch, *runs: float) -> list[frozenset[str]]:
    """Let the guard measure made-up ratios of acks and room-1, one for each run. Return which rows it asks for."""
    asked: list[frozenset[str]] = []

    def scene(round_: Round) -> dict[str, Pair]:
        if not round_.number:
            asked.append(round_.rows)
        return {"acks": Pair(100, 100 * runs[len(asked) - 1]), "room-1": Pair(100, 100)}

    scenes: dict[Callable[[Round], dict[str, Pair]], tuple[str, ...]] = {scene: ("acks", "room-1")}
    monkeypatch.setattr(guard, "SCENES", scenes)
    monkeypatch.setattr(guard, "of_commit", lambda *_: Build(ROOT, Path(sys.executable)))
    return asked


@pytest.mark.parametrize(
    ("runs", "code", "result"),
    [
        ((1.0,), 0, "1.000 (1.000–1.000) | ≥ 0.95 | ok |"),
        ((0.9, 1.0), 0, "0.900 (0.900–0.900), anew 1.000 (1.000–1.000) | ≥ 0.95 | ok, measured anew |"),
        ((0.9, 0.92), 1, "0.900 (0.900–0.900), anew 0.920 (0.920–0.920) | ≥ 0.95 | **out of bounds** |"),
    ],
)
def test_the_guard_measures_anew_what_is_out_of_bounds(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    runs: Sequence[float],
    code: int,
    result: str,
) -> None:
    asked = made_up(monkeypatch, *runs)
    assert guard.main(["--self", "--rows", "acks", "room-1"]) == code
    assert asked == [{"acks", "room-1"}, {"acks"}][: len(runs)]
    out, err = capsys.readouterr()
    assert next(line for line in out.splitlines() if line.startswith("| acks |")).endswith(result)
    assert "| room-1 |" in out
    assert ("guard: out of bounds twice: acks" in err) is bool(code)


def test_the_guard_prints_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made_up(monkeypatch, 1.5)
    assert guard.main(["--self", "--rows", "acks", "--rounds", "2", "--json"]) == 0
    pair = {"old": 100, "new": 150}
    acks = {"ratio": 1.5, "holds": True, "rounds": [pair, pair]}
    assert json.loads(capsys.readouterr().out) == {"first": {"acks": acks}, "again": {}}


def test_every_row_is_measured_and_explained() -> None:
    names = [row.name for row in ROWS]
    assert sorted(name for rows in SCENES.values() for name in rows) == sorted(names)
    text = (ROOT / "benchmarks/README.md").read_text()
    assert [name for name in names if f"`{name}`" not in text] == []


def repository(folder: Path) -> Path:
    """A small repository, with a commit."""
    git = ("git", "-C", str(folder), "-c", "user.name=ann", "-c", "user.email=ann@example.com")
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    (folder / "requirements.txt").touch()
    (folder / "chat.py").write_text("old")
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "Chat"], check=True)
    return folder


def test_a_build_is_a_commit_or_what_is_there_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "environment", lambda *_: Path(sys.executable))
    source = repository(tmp_path / "repository")
    (source / "chat.py").write_text("new")
    (source / "bot.py").write_text("new")
    (source / ".gitignore").write_text("*.db")
    (source / "chat.db").touch()
    cache = tmp_path / "cache"
    for _ in range(2):
        commit = of_commit("HEAD", cache, source).source
        assert [(file.name, file.read_text()) for file in sorted(commit.glob("*.py"))] == [("chat.py", "old")]
    with of_working_tree(cache, source) as build:
        assert sorted(file.name for file in build.source.iterdir()) == [
            ".gitignore",
            "bot.py",
            "chat.py",
            "requirements.txt",
        ]
        assert (build.source / "chat.py").read_text() == "new"
    assert [folder.name for folder in cache.iterdir()] == [commit.name]


def test_documents_of_hocon_are_made_and_read() -> None:
    command = [sys.executable, "-m", "benchmarks.hocon", "--count", "20", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=12 * DEADLINE)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["documents"] >= 20 <= figures["damaged"]


def test_a_commit_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BuildError, match=r"commit abc1234 is not in this clone.*git fetch --unshallow$"):
        of_commit("abc1234", tmp_path / "cache", repository(tmp_path / "repository"))
    assert guard.main(["--against", "no-such-commit", "--cache", str(tmp_path / "cache")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("guard: commit no-such-commit is not in this clone")


@pytest.mark.parametrize("flags", [["--rows", "none"], ["--rounds", "0"], ["--rounds", "x"]])
def test_the_guard_refuses_wrong_flags(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        guard.main(flags)
    assert end.value.code == 2
    assert flags[0] in capsys.readouterr().err.splitlines()[-1]


def test_the_guard_needs_chromium_for_the_page_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up(monkeypatch, 1.0)
    monkeypatch.setenv("PATH", "")
    assert guard.main(["--self", "--rows", "acks"]) == 0
    assert guard.main(["--self"]) == 2
    assert "guard: the row page needs chromium: apt-get install chromium" in capsys.readouterr().err


@pytest.mark.slow("packages")
def test_the_guard_measures_a_commit_and_the_working_tree(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.guard", "--quick", "--json", "--against", "HEAD", "--rounds", "1"]
    command += ["--cache", str(tmp_path), "--rows", "start", "bare", "rss", "acks", "rooms-64", "history"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=12 * DEADLINE)
    assert done.returncode in (0, 1), done.stderr  # so short a measurement may be out of bounds
    figures = json.loads(done.stdout)["first"]
    assert list(figures) == ["start", "bare", "rss", "acks", "rooms-64", "history"]
    assert all(pair["old"] > 0 < pair["new"] for row in figures.values() for pair in row["rounds"])


def test_nodes_are_measured_beside_a_plain_client() -> None:
    figures = benchmark("nodes")
    assert all(figure > 0 for figure in figures.values())
    assert {"ratio", "own_p50_ms", "other_node_p99_ms", "plain_p99_ms", "catching_up"} < set(figures)
