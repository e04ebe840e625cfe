"""Pacing: work rests while another process wants the core, and only then."""

from __future__ import annotations

import pytest

from app.backends.search import pacing
from app.backends.search.pacing import SHARE, Pacer


@pytest.mark.parametrize(("waited", "rests"), [(0.0, False), (0.001, False), (0.05, True)])
def test_rest(monkeypatch: pytest.MonkeyPatch, waited: float, rests: bool) -> None:
    measured = iter([(1.0, 5.0), (1.0, 5.0), (1.02, 5.0 + waited)])
    monkeypatch.setattr(Pacer, "_measure", staticmethod(lambda: next(measured)))
    pacer = Pacer()
    pacer.start()
    rest = pacer.stop()
    assert pacer.contended is rests
    assert rest == (pytest.approx(0.02 / SHARE - 0.02) if rests else 0.0)


@pytest.mark.parametrize("path", ["/proc/self/schedstat", "/nowhere"])
def test_measuring(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(pacing, "_SCHEDSTAT", path)
    pacer = Pacer()
    pacer.start()
    assert pacer.stop() >= 0.0
