"""Modules of JavaScript joined into one: dozens of requests cost a browser more than what is in the files.

Each module becomes a function that is called once, in the order in which a browser would run it, and returns what the
module exports. That works as long as no exported variable changes, and modules use two forms only:
`import { a, b as c } from "./x.js";` and `export const`, `function`, `async function` or `class`, each at the beginning
of a line. Whitespace around lines and empty lines are left out, in template literals too.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping

IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"(\.{1,2}/[^"]+)";', re.MULTILINE)
EXPORT = re.compile(r"^export\s+(?=(?:async\s+)?(?:function|class|const)\s+([\w$]+))", re.MULTILINE)
OTHER = re.compile(r"^(?:import\b(?!\s*\()|export\b)[^\n]*", re.MULTILINE)
DYNAMIC = re.compile(r'(import\(\s*")(\.{1,2}/[^"]+)(?=")')


def join(entry: str, sources: Mapping[str, str], *, apart: Callable[[str], bool]) -> tuple[str, list[str]]:
    """One module that does what `entry` and all its imports do, and the names of the modules in it. Modules that should
    stay `apart` are imported. ValueError if modules import each other, or don't have the form above."""
    order = _order(entry, sources, apart)
    numbers = {name: f"${number}" for number, name in enumerate(order)}
    imports = [f'import * as {numbers[name]} from "{_relative(name, entry)}";\n' for name in order if apart(name)]
    inside = [name for name in order if not apart(name)]
    bodies = [_function(name, sources[name], numbers, entry) for name in inside]
    return "".join([*imports, *bodies]), inside


def _order(entry: str, sources: Mapping[str, str], apart: Callable[[str], bool]) -> list[str]:
    """The modules, each after its imports."""
    order: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ValueError(f"{' → '.join([*path, name])}: expected no module to import itself in the end")
        if name in order:
            return
        if name not in sources:
            raise ValueError(f"{path[-1]} imports {name}, which does not exist")
        for _, target in [] if apart(name) else IMPORT.findall(sources[name]):
            visit(_target(name, target), (*path, name))
        order[name] = None

    visit(entry, ())
    return list(order)


def _function(name: str, source: str, numbers: Mapping[str, str], entry: str) -> str:
    exports = EXPORT.findall(source)
    body = IMPORT.sub(
        lambda found: f"const {{ {_renamed(found[1])} }} = {numbers[_target(name, found[2])]};", EXPORT.sub("", source)
    )
    if wrong := OTHER.search(body):
        raise ValueError(f"{name}: {wrong[0]}: expected only `import {{ … }} from` and `export const, function, class`")
    body = DYNAMIC.sub(lambda found: found[1] + _relative(_target(name, found[2]), entry), body)
    body = "\n".join(filter(None, map(str.strip, body.split("\n"))))
    return f"// {name}\nconst {numbers[name]} = (() => {{\n{body}\nreturn {{ {', '.join(exports)} }};\n}})();\n"


def _renamed(names: str) -> str:
    """The names of an import in the form of destructuring: `a as b` is `a: b`."""
    return re.sub(r"\s+as\s+", ": ", ", ".join(filter(None, (name.strip() for name in names.split(",")))))


def _target(name: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def _relative(name: str, entry: str) -> str:
    path = posixpath.relpath(name, posixpath.dirname(entry) or ".")
    return path if path.startswith(".") else f"./{path}"
