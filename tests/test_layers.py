"""Which package may import which, checked against the code. `docs/architecture.md` shows the same map."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.clients import ROOT

STANDARD = set(sys.stdlib_module_names)

ALLOWED: dict[str, set[str]] = {
    # What a module or package may import besides the standard library and itself, type annotations included. The
    # longest matching key applies. Nothing here may be wider than the code needs.
    "config": {"pyhocon"},
    "app.errors": set(),
    "app.addresses": set(),
    "app.clock": set(),
    "app.processes": {"msgspec"},
    "app.refusals": {"app.addresses", "app.clock"},
    "app.headers": {"starlette"},
    "app.loader": {"config"},
    "app.chat": {"msgspec"},
    "app.backends": {"app.chat", "app.clock", "app.processes", "msgspec"},
    "app.backends.nats": {"app.backends", "app.chat", "app.clock", "config", "msgspec", "nats", "uvloop"},
    "app.transports": {
        "app.addresses",
        "app.chat",
        "app.clock",
        "app.headers",
        "app.refusals",
        "starlette",
        "uvicorn",
        "websockets",
        "httptools",
    },
    "app.identity": {
        "app.chat",
        "app.clock",
        "app.processes",
        "argon2",
        "precis_i18n",
        "confusable_homoglyphs",
        "msgspec",
    },
    "app.live": {
        "app.addresses",
        "app.backends",
        "app.chat",
        "app.clock",
        "app.errors",
        "app.identity",
        "app.refusals",
        "app.transports",
        "msgspec",
        "starlette",
    },
    "app.page": {"starlette"},
    "app.serving": {
        "app.addresses",
        "app.chat",
        "app.clock",
        "app.errors",
        "app.headers",
        "app.refusals",
        "app.transports",
        "config",
        "starlette",
        "uvicorn",
    },
    "app.application": {
        "app.clock",
        "app.errors",
        "app.headers",
        "app.loader",
        "app.refusals",
        "app.serving",
        "app.transports",
        "config",
        "starlette",
    },
    "app.asgi": {"app.application"},
    "app.client": {"app.chat", "prompt_toolkit", "websockets", "msgspec"},
    "app.load": {"uvloop"},
    "app.new_project": {"config"},
    "app.cli": {
        "app.__version__",
        "app.application",
        "app.backends",
        "app.chat",
        "app.errors",
        "app.load",
        "app.new_project",
        "app.serving",
        "config",
    },
    "app.modules": {"app", "config", "starlette"},
    "app.testing": {
        "app.application",
        "app.chat",
        "app.clock",
        "app.identity",
        "app.live",
        "app.loader",
        "app.serving",
        "anyio",
        "config",
        "httpx2",
        "pytest",
        "starlette",
        "websockets",
    },
    "app.__main__": {"app.cli"},
    "app": {"app", "config"},
}

LONG_FILES: dict[str, str] = {
    # Files of more than LONGEST lines, and why they are better whole.
}
LONGEST = 400


@cache
def modules() -> tuple[tuple[str, Path], ...]:
    found = []
    for package in ("app", "config"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found.append((name.removesuffix(".__init__"), path))
    return tuple(found)


@cache
def imports(source: str, *, types: bool = True) -> tuple[str, ...]:
    """The names that `source` imports, as `package.module` or `package.module.name`. Without `types`, those for type
    checkers only are left out."""
    return tuple(_imports(ast.parse(source), types=types))


def _imports(tree: ast.AST, *, types: bool) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if not types and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if not isinstance(node, ast.expr):
            yield from _imports(node, types=types)


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def each_module(package: str = "") -> pytest.MarkDecorator:
    """Run a test for each module, or for each one of a package."""
    found = [module for module in modules() if not package or below(module[0], package)]
    return pytest.mark.parametrize(("name", "path"), found, ids=[name for name, _ in found])


def layer_of(name: str) -> str:
    return max((layer for layer in ALLOWED if below(name, layer)), key=len)


def graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Which of the modules in `sources` imports which. A name counts for the longest module it is in: `from app import
    errors` imports app.errors, and a name defined in an `__init__` imports its package."""
    arrows: dict[str, set[str]] = {}
    for name, source in sources.items():
        found = {max((m for m in sources if below(i, m)), key=len, default="") for i in imports(source)}
        arrows[name] = found - {"", name}
    return arrows


def circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """The modules of a circle of imports, with the first one again at the end. Empty if there is no circle."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@cache
def sources() -> dict[str, str]:
    return {name: path.read_text() for name, path in modules()}


def packages(arrows: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The imports between layers."""
    merged: dict[str, set[str]] = {}
    for name, targets in arrows.items():
        merged.setdefault(layer_of(name), set()).update(layer_of(target) for target in targets)
    return {layer: targets - {layer} for layer, targets in merged.items()}


@each_module()
def test_a_module_imports_only_what_its_layer_may(name: str, path: Path) -> None:
    layer = layer_of(name)
    for imported in imports(path.read_text()):
        if imported.partition(".")[0] in STANDARD or below(imported, layer):
            continue
        assert any(below(imported, allowed) for allowed in ALLOWED[layer]), f"{name} imports {imported}"


def test_no_layer_is_allowed_what_it_does_not_need() -> None:
    used = {
        (layer_of(name), allowed)
        for name, source in sources().items()
        for imported in imports(source)
        for allowed in ALLOWED[layer_of(name)]
        if below(imported, allowed)
    }
    assert {(layer, allowed) for layer, all_ in ALLOWED.items() for allowed in all_} == used


def test_no_circle_of_imports() -> None:
    """Imports for type checkers only are counted too."""
    assert circle(graph(sources())) == []


def test_no_circle_between_packages() -> None:
    assert circle(packages(graph(sources()))) == []


@pytest.mark.parametrize(
    "back",
    [
        "from app.live.connection import Connection",
        "from app.live import connection",
        "import app.live.connection",
        "if TYPE_CHECKING:\n    from app.live.connection import Connection",
        "def later():\n    from app.live.connection import Connection",
    ],
)
def test_a_circle_that_is_added_is_found(back: str) -> None:
    """In whichever way app.live.shard imports the class, which imports the shard."""
    changed = {**sources(), "app.live.shard": f"{sources()['app.live.shard']}\n{back}\n"}
    assert {"app.live.shard", "app.live.connection"} <= set(circle(graph(changed)))


@each_module()
def test_nobody_imports_a_module_of_the_list(name: str, path: Path) -> None:
    for imported in imports(path.read_text()):
        assert below(name, "app.modules") or not below(imported, "app.modules"), f"{name} imports {imported}"


@each_module()
def test_config_knows_nothing_of_the_application(name: str, path: Path) -> None:
    if below(name, "config"):
        assert not any(below(imported, "app") for imported in imports(path.read_text()))


@each_module()
def test_a_file_is_short_enough_to_read(name: str, path: Path) -> None:
    lines, listed = len(path.read_text().splitlines()), str(path.relative_to(ROOT)) in LONG_FILES
    assert (lines > LONGEST) == listed, f"{path.relative_to(ROOT)} has {lines} lines"


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


@each_module("app.chat")
def test_the_chat_is_pure(name: str, path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not {imported.partition(".")[0] for imported in imports(path.read_text(), types=False)} & IMPURE
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("now", "today")]
    assert not [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in ("open", "print")
    ]


def test_the_check_catches_a_wrong_import() -> None:
    assert list(imports("def f():\n    from app.modules import chat\n")) == ["app.modules.chat"]
    assert list(imports("if TYPE_CHECKING:\n    import socket\n")) == ["socket"]
    assert list(imports("if TYPE_CHECKING:\n    import socket\n", types=False)) == []
    assert not any(below("appetite", allowed) for allowed in {"app"})
