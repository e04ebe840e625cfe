"""Who may import whom, held against the code."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import ROOT

STANDARD = set(sys.stdlib_module_names)

ALLOWED = {
    # A file's module, or the package it is in, to what it may import beside the standard library: the longest match
    # counts. "*" is anything.
    "config": {"config", "pyhocon", "pyparsing", "msgspec"},
    "app.chat": {"app.chat", "msgspec"},
    "app.backends": {"app.backends", "app.chat", "msgspec", "nats"},
    "app.transports": {"app.transports", "app.chat", "starlette", "uvicorn", "websockets", "uvloop", "httptools"},
    "app.client": {"app.client", "app.chat", "prompt_toolkit", "websockets", "msgspec"},
    "app": {"*"},
}


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("app", "config"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules that `tree` imports; not those for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
        yield from imports(node)


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_a_module_imports_only_what_its_layer_may(name: str, path: Path) -> None:
    layer = max((layer for layer in ALLOWED if below(name, layer)), key=len)
    for imported in imports(ast.parse(path.read_text())):
        if imported.partition(".")[0] in STANDARD or ALLOWED[layer] == {"*"}:
            continue
        assert any(below(imported, allowed) for allowed in ALLOWED[layer]), f"{name} imports {imported}"


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_nobody_imports_a_module_of_the_list(name: str, path: Path) -> None:
    for imported in imports(ast.parse(path.read_text())):
        assert below(name, "app.modules") or not below(imported, "app.modules"), f"{name} imports {imported}"


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_config_knows_nothing_of_the_application(name: str, path: Path) -> None:
    if below(name, "config"):
        assert not any(below(imported, "app") for imported in imports(ast.parse(path.read_text())))


IMPURE = {
    "asyncio",
    "socket",
    "ssl",
    "time",
    "threading",
    "random",
    "secrets",
    "os",
    "io",
    "logging",
    "pathlib",
}


@pytest.mark.parametrize(("name", "path"), [module for module in modules() if below(module[0], "app.chat")])
def test_the_chat_is_pure(name: str, path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not {imported.partition(".")[0] for imported in imports(tree)} & IMPURE
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("now", "today")]
    assert not [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in ("open", "print")
    ]


def test_the_check_catches_a_wrong_import() -> None:
    assert list(imports(ast.parse("def f():\n    from app.modules import chat\n"))) == ["app.modules"]
    assert list(imports(ast.parse("if TYPE_CHECKING:\n    import socket\n"))) == []
    assert not any(below("appetite", allowed) for allowed in {"app"})
