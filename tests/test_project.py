"""What must hold for every file of the project."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.clients import ROOT


def files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_text_files_end_with_one_newline_and_hold_no_tabs_or_blanks_at_the_end() -> None:
    for path in files():
        if path.suffix in {".png"}:
            continue
        text = path.read_text(encoding="utf-8")
        assert not text or (text.endswith("\n") and not text.endswith("\n\n")), path
        assert not any(line.endswith((" ", "\t")) for line in text.split("\n")), path


def test_the_tests_wait_for_events_and_skip_nothing_for_good() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__):
            text = path.read_text()
            assert not any(word in text for word in ("time.sleep(", "asyncio.sleep(", "mark.skip", "mark.xfail")), path
