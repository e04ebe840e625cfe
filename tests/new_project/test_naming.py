from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from app.new_project.errors import ProjectError
from app.new_project.naming import INSTALLED, package_name
from tests.clients import ROOT


@pytest.mark.parametrize(
    ("name", "package"),
    [("demo", "demo"), ("my-chat", "my_chat"), ("my_chat", "my_chat"), ("chat2", "chat2"), ("match", "match")],
)
def test_a_package_is_called_as_its_project(name: str, package: str) -> None:
    assert package_name(name) == package


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("", "my-chat"),
        ("My Chat", "my-chat"),
        ("Demo", "demo"),
        ("2nd-chat", "nd-chat"),
        ("chat-", "chat"),
        ("a--b", "a-b"),
        ("../chat", "chat"),
        ("/tmp/chat", "tmp-chat"),
        (".", "my-chat"),
        ("größe", "gr-e"),
        ("-", "my-chat"),
        ("a\nb", "a-b"),
        ("$(x)", "x"),
        ("\udcff", "my-chat"),
        ("٣", "my-chat"),
    ],
)
def test_another_name_is_answered_with_one_that_can_be_used(name: str, example: str) -> None:
    with pytest.raises(ProjectError, match=rf"can't be the name of a project: .*, such as {example}$") as refused:
        package_name(name)
    assert "\n" not in str(refused.value)
    assert package_name(example)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("class", "class is a keyword of Python"),
        ("test", "test is a module of Python itself, which the project would hide"),
        ("queue", "queue is a module of Python itself, which the project would hide"),
        ("app", "app is a name of Natter's own"),
        ("config", "config is a name of Natter's own"),
        ("natter-chat", "natter_chat is a name of Natter's own"),
        ("starlette", "starlette is a package that Natter or pytest needs, which the project would hide"),
        ("prompt-toolkit", "prompt_toolkit is a package that Natter or pytest needs, which the project would hide"),
        ("tests", "tests is the name of another folder of the project"),
        ("wheels", "wheels is the name of another folder of the project"),
    ],
)
def test_a_name_that_something_else_has_is_refused(name: str, why: str) -> None:
    with pytest.raises(ProjectError) as refused:
        package_name(name)
    assert str(refused.value) == f'"{name}" can\'t be the name of a project: {why}; try {name}-chat'
    assert package_name(f"{name}-chat")


def test_no_package_that_is_installed_with_natter_can_be_hidden() -> None:
    """All that the requirements of the package and of its tests bring along is on the list, and nothing else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = (ROOT / "requirements-dev.txt").read_text()
    reasons = dict(re.findall(r"^([\w-]+)==[^\n]*(?:\n    --hash[^\n]*)*\n((?:    #[^\n]*\n)+)", pins, re.M))
    wanted = {re.split(r"[ <>=]", line)[0] for line in project["dependencies"]} | {"httpx2", "pytest", "pip"}
    while more := {name for name, why in reasons.items() if set(re.findall(r"[\w-]+", why)) & wanted} - wanted:
        wanted |= more
    packages = {
        package
        for package, distributions in packages_distributions().items()
        if {name.lower().replace("_", "-") for name in distributions} & wanted and not package.startswith("_")
    }
    assert packages - set(sys.stdlib_module_names) == INSTALLED
