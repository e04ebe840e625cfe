"""What a process uses, as the system accounts for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.load import Process, process
from app.load.errors import LoadError


def test_a_process_is_counted_with_its_children() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin
    assert parent.stdout
    with parent:
        parent.stdout.readline()
        (child,) = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        assert Process(parent.pid).kib() > Process(int(child)).kib() > 0
        parent.stdin.close()


def test_a_thread_that_ends_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([path / "0", *iterdir(path)]))
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        assert process.stdin
        assert Process(process.pid).kib() > 0
        process.stdin.close()


def test_a_child_that_ends_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    monkeypatch.setattr(process, "_children", lambda pid: [ended.pid] if pid != ended.pid else [])
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as running:
        assert running.stdin
        assert Process(running.pid).kib() > 0
        assert Process(running.pid).cpu_seconds() > 0
        running.stdin.close()
    with pytest.raises(LoadError, match=f"--cpu-of {ended.pid}: can't read"):
        Process(ended.pid)
