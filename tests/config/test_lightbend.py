"""What Lightbend's own reader makes of small files (see `hocon/README.md`), and what we make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.hocon.checking import same
from config import ConfigurationError, load

CASES = Path(__file__).parent / "hocon"
LENIENT = {"strict-colon-in-text": {"a": "http://example.org/x"}}
"""What Lightbend refuses and we read. docs/configuration.md says why."""


def read(name: str) -> Any:
    file, right = CASES / f"{name}.conf", CASES / name / "right.conf"
    environment = {}
    if (variables := file.with_suffix(".env")).exists():
        environment = dict(line.split("=", 1) for line in variables.read_text("utf-8").split("\n") if line)
    return load([file, *([right] if right.exists() else [])], environment=environment).tree.values


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.conf")))
def test_we_read_what_lightbend_reads(name: str) -> None:
    expected = CASES / f"{name}.json"
    if name in LENIENT:
        assert read(name) == LENIENT[name]
    elif expected.exists():
        values = read(name)
        assert same(values, json.loads(expected.read_text("utf-8"))), values
    else:
        with pytest.raises(ConfigurationError) as caught:
            read(name)
        assert str(caught.value).startswith(f"{CASES.relative_to(Path.cwd())}/{name}")
        assert str(caught.value).isprintable()


def test_all_cases_are_there_as_bytes() -> None:
    assert len(list(CASES.glob("*.conf"))) == 220
    assert (CASES / "layout-crlf.conf").read_bytes().count(b"\r\n") == 8
    assert (CASES / "layout-bom.conf").read_bytes().startswith(b"\xef\xbb\xbf")
    assert not (CASES / "layout-comment-at-end.conf").read_bytes().endswith(b"\n")
