"""`docs/configuration.md` held against the reader."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from config import ConfigurationError, Duration, Size, load
from config.hocon import BOUNDS, Reader
from tests.clients import ROOT
from tests.config.test_lightbend import CASES, LENIENT

PAGE = (ROOT / "docs/configuration.md").read_text()


def test_the_example_means_what_the_page_says(tmp_path: Path) -> None:
    (example,) = re.findall(r"```hocon\n(.*?)```", PAGE, re.S)
    (value,) = re.findall(r"```json\n(.*?)```", PAGE, re.S)
    (tmp_path / "x.conf").write_text(example)
    (tmp_path / "more.conf").write_text("bot.names += Cleo")
    reader = Reader({"WHO": "you"})
    reader.file(tmp_path / "x.conf", "x.conf")
    assert reader.finish().values == json.loads(value)


def test_the_bounds_are_those_of_the_reader() -> None:
    table = PAGE.partition("| Bound |")[2].partition("\n\n")[0]
    numbers = [int(number.replace(",", "")) for number in re.findall(r"\| ([\d,]+) \|", table)]
    assert sorted(numbers) == sorted(getattr(BOUNDS, field.name) for field in fields(BOUNDS))


def test_the_units_are_those_of_the_settings() -> None:
    table = PAGE.partition("| Duration |")[2].partition("\n\n")[0]
    assert len({Duration.parse(f"1{unit}") for unit in re.findall(r"`(\w+)`", table)}) == 8
    table = PAGE.partition("| Size |")[2].partition("\n\n")[0]
    sizes = {Size.parse(f"1{unit}") for unit in re.findall(r"`(\w+)`", table)}
    assert sizes == {1, 1000, 1024, 1000**2}


def test_the_errors_are_those_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    errors = re.findall(r"\$ printf '(.*)' > broken.conf; natter -config=broken.conf\nnatter: (.*)\n", PAGE)
    assert len(errors) == 2
    for written, error in errors:
        text = written.replace("\\n", "\n").encode().replace(rb"\302\240", b"\xc2\xa0")
        Path("broken.conf").write_bytes(text)
        with pytest.raises(ConfigurationError) as caught:
            load([Path("broken.conf")], environment={})
        assert str(caught.value) == error


def test_the_page_counts_the_cases() -> None:
    cases = len(list(CASES.glob("*.conf")))
    assert f"in {cases - len(LENIENT)} of {cases} cases" in PAGE


@pytest.mark.parametrize(
    "written", ["url = http://example.org/x", "hosts = [a:80, module:function]", "1+=x", "x = [{ rooms += x }]"]
)
def test_what_is_more_lenient_is_read(written: str) -> None:
    assert written.removeprefix("x = ") in PAGE
    reader = Reader({})
    reader.text(written, "x.conf")
    assert reader.finish().values
