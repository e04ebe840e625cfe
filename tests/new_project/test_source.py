"""Where a project gets Natter from. What installers really record is in `tests/test_packaging.py`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.new_project import source
from app.new_project.errors import ProjectError
from tests.clients import ROOT


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an `app` that runs outside of a checkout, as if it was installed there."""
    folder = tmp_path / "site-packages"
    (folder / "app").mkdir(parents=True)
    monkeypatch.setattr(source, "TOP", folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def recorded(folder: Path, record: object) -> None:
    """What an installer leaves behind."""
    info = folder / "natter_chat-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: natter-chat\nVersion: 0.1.0\n")
    if record is not None:
        (info / "direct_url.json").write_text(record if isinstance(record, str) else json.dumps(record))


def test_a_checkout_is_what_runs() -> None:
    assert source.running() == ROOT.as_uri()


@pytest.mark.parametrize(
    ("record", "url"),
    [
        ({"url": ROOT.as_uri(), "dir_info": {}}, ROOT.as_uri()),
        ({"url": ROOT.as_uri(), "dir_info": {"editable": True}}, ROOT.as_uri()),
        (
            {"url": "https://git.example/natter.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}},
            "git+https://git.example/natter.git@ab12",
        ),
        (
            {
                "url": "https://git.example/all.git",
                "vcs_info": {"vcs": "git", "commit_id": "ab12", "requested_revision": "main"},
                "subdirectory": "natter",
            },
            "git+https://git.example/all.git@ab12#subdirectory=natter",
        ),
        (
            {"url": "https://files.example/natter_chat-0.1.0-py3-none-any.whl", "archive_info": {}},
            "https://files.example/natter_chat-0.1.0-py3-none-any.whl",
        ),
    ],
)
def test_what_was_installed_is_what_its_installer_recorded(copied: Path, record: object, url: str) -> None:
    recorded(copied, record)
    assert source.running() == url


def test_a_wheel_that_was_installed(copied: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "natter_chat-0.1.0-py3-none-any.whl"
    wheel.touch()
    recorded(copied, {"url": wheel.as_uri(), "archive_info": {"hashes": {}}})
    assert source.running() == wheel.as_uri()
    wheel.unlink()
    with pytest.raises(ProjectError, match=f"^this Natter was installed from {wheel.as_uri()}, .*: name a checkout"):
        source.running()


@pytest.mark.parametrize(
    "record",
    [None, "", "{", "[]", "null", "7", "{}", {"url": 5, "vcs_info": 7}, {"url": "x", "vcs_info": {"vcs": "git"}}],
)
def test_if_nobody_recorded_it_people_are_asked_to_say_it(copied: Path, record: object) -> None:
    recorded(copied, record)
    with pytest.raises(ProjectError, match=r": name a checkout of Natter, a wheel, an sdist or a URL with --natter$"):
        source.running()


def test_a_distribution_that_does_not_run_does_not_count(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(copied, {"url": ROOT.as_uri(), "dir_info": {}})
    (tmp_path / "copy/app").mkdir(parents=True)
    monkeypatch.setattr(source, "TOP", tmp_path / "copy")
    with pytest.raises(ProjectError, match="it isn't known where this Natter was installed from"):
        source.running()


def test_what_people_can_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / "it's a #1 $(x)"
    odd.mkdir()
    for name in ("natter_chat-0.1.0-py3-none-any.whl", "natter_chat-0.1.0.tar.gz"):
        (odd / name).touch()
        url = source.named(f"{odd.name}/{name}")
        assert url == (odd / name).as_uri()
        assert source.URL.fullmatch(url)  # so it can be between quotes in a Makefile
        assert source.named(url) == url
    (tmp_path / "link").symlink_to(ROOT)
    assert source.named("link") == ROOT.as_uri()
    monkeypatch.setenv("HOME", str(ROOT.parent))
    assert source.named(f"~/{ROOT.name}") == ROOT.as_uri()
    for url in (
        "git+https://git.example/natter.git@v1#subdirectory=x",
        "git+ssh://git@git.example:22/natter",
        "https://files.example/natter_chat-0.1.0.tar.gz",
    ):
        assert source.named(url) == url


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("nowhere", "there is no such file or folder"),
        ("", "expected a checkout of Natter"),  # the working directory
        (
            "other.whl",
            "expected a checkout of Natter, its wheel (natter_chat-….whl) or its sdist (natter_chat-….tar.gz)",
        ),
        ("folder", "expected a checkout of Natter"),
        ("file:///nowhere", "there is no such file or folder"),
        ("nul\0", "there is no such file or folder"),
        ("git+file:///natter", "expected a URL of https, file or git+https"),
        ("ftp://files.example/natter.whl", "expected a URL of https, file or git+https"),
        ("https://files.example/it's.whl", "expected a URL of https, file or git+https"),
        ("https://files.example/$(id).whl", "expected a URL of https, file or git+https"),
        ("https://files.example/a b", "expected a URL of https, file or git+https"),
        ("https://files.example/a\nb", "expected a URL of https, file or git+https"),
    ],
)
def test_what_people_can_not_name(given: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.whl").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/pyproject.toml").write_text('[project]\nname = "natter"\n')
    with pytest.raises(ProjectError) as refused:
        source.named(given)
    assert problem in str(refused.value)
    assert str(refused.value).startswith("--natter ")
    assert "\n" not in str(refused.value)
