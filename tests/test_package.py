"""The package itself: the names it exports, and how much an import loads."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from types import ModuleType

import pytest

import app
import app.testing
from app.application import create_app
from tests.clients import DEADLINE, ROOT
from tests.test_layers import below, imports

PUBLIC = {f"app.{name}" for name in app.__all__} | {"app.testing", "app.client"}
"""What modules may import from this project."""
EXAMPLES = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "examples").glob("**/*.py")}
PAGES = ["README.md", "examples/README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
BLOCKS = {
    f"{page}, example {number}": block
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S), 1)
}


def test_every_public_name_can_be_loaded_and_is_typed() -> None:
    """Type checkers see the same names as the interpreter."""
    tree = ast.parse(inspect.getsource(app))
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    ours = [node for node in typed.body if isinstance(node, ast.ImportFrom) and node.module != "typing"]
    names = [alias.name for node in ours for alias in node.names]
    assert sorted(names) == sorted(app.__all__)
    assert all(getattr(app, name).__name__ == name for name in app.__all__)


@pytest.mark.parametrize("source", [*EXAMPLES.values(), *BLOCKS.values()], ids=[*EXAMPLES, *BLOCKS])
def test_examples_import_only_what_is_public(source: str) -> None:
    for imported in imports(source):
        if below(imported, "app") or below(imported, "config"):
            assert any(below(imported, public) for public in PUBLIC), imported


@pytest.mark.parametrize(("package", "page"), [(app, "docs/modules.md"), (app.testing, "docs/testing.md")])
def test_every_public_name_is_documented(package: ModuleType, page: str) -> None:
    text = (ROOT / page).read_text()
    assert [name for name in package.__all__ if not re.search(rf"`{name}\b", text)] == []


def test_the_server_is_there_for_who_asks() -> None:
    assert app.create_app is create_app
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        app.other  # noqa: B018


def test_the_client_starts_without_the_server() -> None:
    loaded = "import sys, app.client.main; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=True
    )
    assert {name.partition(".")[0] for name in done.stdout.split()}.isdisjoint({"starlette", "uvicorn", "config"})
