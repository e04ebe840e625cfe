"""`docs/architecture.md` held against the code: it describes every package, and everything it names exists."""

from __future__ import annotations

import ast
import re

import pytest

from tests.clients import ROOT
from tests.test_layers import ALLOWED, below, layer_of, modules

PAGE = (ROOT / "docs/architecture.md").read_text()
TABLE = PAGE.partition("| Package |")[2].partition("\n\n")[0]
ROWS = {row[0]: (row[1], row[2]) for row in re.findall(r"^\| `([^`|]+)` \| ([^|]*) \| ?([^|]*?) ?\|$", TABLE, re.M)}
"""A package or file of the table, what it is for, and what it imports."""
PATHS = sorted(set(re.findall(r"`((?:app|config|tests|docs|benchmarks|examples)(?:/[\w./-]+)?|[\w-]+\.conf)`", PAGE)))
NAMES = sorted(set(re.findall(r"`([\w.]+)`\s+\(`([\w/]+\.py)`\)", PAGE)))


def module(path: str) -> str:
    """The name of the module or package at `path`."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


DESCRIBED = {module(path): path for path in ROWS}


def test_every_package_is_described() -> None:
    packages = {name for name, path in modules() if path.name == "__init__.py"}
    top = {name for name, path in modules() if path.parent == ROOT / "app"}
    assert set(DESCRIBED) == packages | top
    assert all(purpose for purpose, _ in ROWS.values())


def test_the_arrows_of_the_page_are_those_that_are_allowed() -> None:
    for name, path in DESCRIBED.items():
        stated = ROWS[path][1]
        if name in ALLOWED:
            assert set(re.findall(r"`([^`]+)`", stated)) == ALLOWED[name], path
        else:
            assert stated == f"as `{DESCRIBED[layer_of(name)]}`", path
    assert set(ALLOWED) <= set(DESCRIBED)


def test_each_row_imports_only_from_rows_above_it() -> None:
    above: list[str] = []
    for name in DESCRIBED:
        for imported in ALLOWED.get(name, ()):
            if below(imported, "app") or below(imported, "config"):
                assert name == imported or any(below(imported, row) for row in above), f"{name} imports {imported}"
        above.append(name)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_of_the_page_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("name", "path"), NAMES)
def test_every_name_of_the_page_is_defined_where_the_page_says(name: str, path: str) -> None:
    body: list[ast.stmt] = ast.parse((ROOT / path).read_text()).body
    for part in name.split("."):
        found = [node for node in body if part in defined(node)]
        assert found, f"{path} has no {name}"
        body = getattr(found[0], "body", [])


def defined(node: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target


def test_the_page_names_enough_to_be_a_map() -> None:
    assert len(ROWS) > 20
    assert len(PATHS) > 40
    assert len(NAMES) > 30
