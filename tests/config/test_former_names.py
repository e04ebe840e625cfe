"""Settings that were moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.testing import test_application
from config import load


@pytest.mark.parametrize(
    ("file", "overrides", "connections", "told"),
    [
        ("chat.limits.connections = 5", (), 5, "my.conf:1: chat.limits.connections is called"),
        ("", ("chat.limits.connections=5",), 5, "-P:chat.limits.connections: chat.limits.connections is called"),
        ("app.websockets.connections = 7", ("chat.limits.connections=5",), 5, "-P:chat.limits.connections"),
        ("chat.limits.connections = 5", ("app.websockets.connections=7",), 7, "which is set as well and counts"),
        ("chat.limits.connections = 5, app.websockets.connections = 7", (), 7, "which is set as well and counts"),
        ("app.websockets.connections = 7", (), 7, ""),
    ],
)  # fmt: skip
def test_a_setting_is_read_under_its_former_name(
    file: str, overrides: tuple[str, ...], connections: int, told: str, tmp_path: Path
) -> None:
    (tmp_path / "my.conf").write_text(file)
    settings = load([tmp_path / "my.conf"], overrides)
    assert settings.app.websockets.connections == connections
    assert len(settings.tree.warnings) == bool(told)
    assert not told or told in settings.tree.warnings[0]


def test_the_former_name_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with test_application(overrides={"chat.limits.connections-per-address": 1}) as host:
        assert host.app.settings.app.websockets.connections_per_address == 1
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "overrides: chat.limits.connections-per-address is called app.websockets.connections-per-address now"
    ]
