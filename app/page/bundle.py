"""Modules of JavaScript joined into one: dozens of requests cost a browser more than what is in the files.

Each module becomes a function that is called once, in the order in which a browser would run it, and returns what the
module exports. That works as long as no exported variable changes, and modules use two forms only:
`import { a, b as c } from "./x.js";` and `export const`, `function`, `async function` or `class`, each at the beginning
of a line. Whitespace around lines and empty lines are left out, in template literals too.

What the page needs only later, a module loads with `import("./later.js")`. Such a module is a file together with what
nothing else imports. Its other imports are given to it, since each module may run only once.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"(\.{1,2}/[^"]+)";', re.MULTILINE)
EXPORT = re.compile(r"^export\s+(?=(?:async\s+)?(?:function|class|const)\s+([\w$]+))", re.MULTILINE)
OTHER = re.compile(r"^(?:import\b(?!\s*\()|export\b)[^\n]*", re.MULTILINE)
DYNAMIC = re.compile(r'import\(\s*"(\.{1,2}/[^"]+)"\s*\)')


@dataclass(frozen=True, slots=True)
class _File:
    """Modules that become one file: `start` and what it imports, in the order in which they run. `given` are those of
    the first file that they import, and `imported` are those that stay apart."""

    start: str
    names: list[str]
    given: list[str]
    imported: list[str]


def join(entry: str, sources: Mapping[str, str], *, apart: Callable[[str], bool]) -> tuple[dict[str, str], list[str]]:
    """The files that do what `entry` and all its imports do, each by the name of its first module, and the names of the
    modules in them: a file of `entry`, and one of each module that is loaded later. Modules that should stay `apart`
    are imported. ValueError if modules import each other, don't have the form above, or would be in two files."""
    first = order(entry, sources, apart=apart)
    starts = dict.fromkeys(
        target for name in first if not apart(name) for target in _loaded(name, sources) if target not in first
    )
    files = [_file(entry, first, [], sources, apart)]
    files += [_file(start, order(start, sources, apart=apart), first, sources, apart) for start in starts]
    inside = [name for file in files for name in file.names]
    if twice := {name for name in inside if inside.count(name) > 1}:
        raise ValueError(f"{min(twice)} is loaded later by several modules: expected {entry} to import it")
    imported = [name for file in files for name in file.imported]
    numbers = {name: f"${at}" for at, name in enumerate(dict.fromkeys([*inside, *imported]))}
    given = {file.start: ", ".join(numbers[name] for name in file.given) for file in files}
    return {file.start: _joined(file, entry, sources, numbers, given) for file in files}, inside


def _file(
    start: str, modules: list[str], first: list[str], sources: Mapping[str, str], apart: Callable[[str], bool]
) -> _File:
    names = [name for name in modules if name not in first and not apart(name)]
    imports = {target for name in names for target in _imports(name, sources)}
    return _File(
        start,
        names,
        given=[name for name in first if name in imports],
        imported=[name for name in modules if name not in first and apart(name)],
    )


def _joined(
    file: _File, entry: str, sources: Mapping[str, str], numbers: Mapping[str, str], given: Mapping[str, str]
) -> str:
    """The text of a file. One that is loaded later is a function that runs its modules once."""
    imports = [f'import * as {numbers[name]} from "{_relative(name, file.start)}";\n' for name in file.imported]
    text = "".join(_function(name, sources[name], numbers, file.start, given) for name in file.names)
    if file.start != entry:
        run = f"(() => {{\n{text}return {numbers[file.start]};\n}})()"
        text = f"let made;\nexport default ({{ {given[file.start]} }}) => (made ??= {run});\n"
    return "".join([*imports, text])


def _imports(name: str, sources: Mapping[str, str]) -> list[str]:
    return [_target(name, path) for _, path in IMPORT.findall(sources[name])]


def _loaded(name: str, sources: Mapping[str, str]) -> list[str]:
    """The modules that a module loads later."""
    return [_target(name, path) for path in DYNAMIC.findall(sources[name])]


def order(entry: str, sources: Mapping[str, str], *, apart: Callable[[str], bool]) -> list[str]:
    """`entry` and all that it imports, each after its own imports. What should stay `apart` has none."""
    found: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ValueError(f"{' → '.join([*path, name])}: expected no module to import itself in the end")
        if name in found:
            return
        if name not in sources:
            raise ValueError(f"{path[-1]} imports {name}, which does not exist")
        for target in [] if apart(name) else _imports(name, sources):
            visit(target, (*path, name))
        found[name] = None

    visit(entry, ())
    return list(found)


def _function(name: str, source: str, numbers: Mapping[str, str], start: str, given: Mapping[str, str]) -> str:
    exports = EXPORT.findall(source)
    body = IMPORT.sub(
        lambda found: f"const {{ {_renamed(found[1])} }} = {numbers[_target(name, found[2])]};", EXPORT.sub("", source)
    )
    if wrong := OTHER.search(body):
        raise ValueError(f"{name}: {wrong[0]}: expected only `import {{ … }} from` and `export const, function, class`")
    body = DYNAMIC.sub(lambda found: _load(_target(name, found[1]), start, given), body)
    body = "\n".join(filter(None, map(str.strip, body.split("\n"))))
    return f"const {numbers[name]} = (() => {{\n{body}\nreturn {{ {', '.join(exports)} }};\n}})();\n"


def _load(target: str, start: str, given: Mapping[str, str]) -> str:
    """Loads a module later, with what it imports from the first file."""
    if target not in given:
        raise ValueError(f"{start} loads {target} later: expected only the first file to load what it does not import")
    return f'import("{_relative(target, start)}").then(({{ default: run }}) => run({{ {given[target]} }}))'


def _renamed(names: str) -> str:
    """The names of an import in the form of destructuring: `a as b` is `a: b`."""
    return re.sub(r"\s+as\s+", ": ", ", ".join(filter(None, (name.strip() for name in names.split(",")))))


def _target(name: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def _relative(name: str, entry: str) -> str:
    path = posixpath.relpath(name, posixpath.dirname(entry) or ".")
    return path if path.startswith(".") else f"./{path}"
