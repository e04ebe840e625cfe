"""Where each value stands: the file, the line and the environment variable, for errors and for `origins`."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import load

FILES = {
    "x.conf": """\
base { host = h
  limits { burst = 5 } }
a = ${base}
a.limits.burst = 7
include "more.conf"
o { include "more.conf" }
url = "http://"${base.host}":"${PORT}
list = [1,
  2]
joined = ${list} [3]
appended = [1]
appended += 2
who = nobody
who = ${?WHO}
nobody = nobody
nobody = ${?NOBODY}
rooms = ${ROOMS[]}
c = x, d = ${c}
o.z = 1
""",
    "more.conf": "\ny = ${z}, z = 2\nwho2 = ${WHO}",
}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("base.host", "x.conf:1"),
        ("base.limits.burst", "x.conf:2"),
        ("a.host", "x.conf:1"),
        ("a.limits.burst", "x.conf:4"),
        ("z", "more.conf:2"),
        ("y", "more.conf:2"),
        ("o.z", "x.conf:19"),
        ("o.y", "x.conf:19"),
        ("o.who2", "more.conf:3 WHO"),
        ("url", "x.conf:7 PORT"),
        ("list", "x.conf:8"),
        ("joined", "x.conf:10"),
        ("appended", "x.conf:12"),
        ("who", "x.conf:14 WHO"),
        ("nobody", "x.conf:15"),
        ("rooms", "x.conf:17 ROOMS"),
        ("c", "x.conf:18"),
        ("d", "x.conf:18"),
        ("flag", "-P:flag"),
    ],
)
def test_a_value_knows_where_it_stands(path: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    environment = {"PORT": "1", "WHO": "ann", "ROOMS_0": "red"}
    tree = load([Path("x.conf")], ["flag=1"], environment=environment).tree
    origin = tree.origins[tuple(path.split("."))]
    assert f"{origin} {origin.variable}".strip() == place


def test_every_leaf_has_an_origin_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("a { b = 1, c = ${?N}, d = [1], e {} }\nf = ${a}")
    tree = load([tmp_path / "x.conf"], environment={}).tree
    assert set(tree.origins) == {("a", "b"), ("a", "d"), ("f", "b"), ("f", "d")}
    assert str(tree.origin(("a",))).endswith("x.conf:1")
