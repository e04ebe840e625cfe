"""Finds and reads the files of a configuration, included ones too."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from config.errors import ConfigurationError, Origin, reason
from config.hocon.bounds import Bounds
from config.hocon.parser import Block, Include, parse
from config.hocon.paths import Path as KeyPath
from config.hocon.properties import parse_properties

SUFFIXES = (".properties", ".json", ".conf")
"""What `include "name"` tries after the name. Later ones win."""


class Source(NamedTuple):
    """A document: its path, its name in errors, the files that include it, and the object it is included in."""

    path: Path
    name: str
    stack: tuple[Path, ...] = ()
    scope: KeyPath = ()


class Files:
    """Reads files, within the bounds. `read` are those that were read."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.read: list[Path] = []
        self.warnings: list[str] = []
        self._length, self._includes = 0, 0

    def open(self, path: Path, name: str) -> tuple[Block, Source]:
        """Read a file that was asked for by name. A `.properties` file is read as such."""
        text = self._text(path, Origin(name))
        return self._parsed(text, path, name), Source(path, name, (path.resolve(),))

    def text(self, text: str, name: str) -> tuple[Block, Source]:
        """Parse a text that is no file."""
        self._count(len(text), Origin(name))
        return parse(text, name, self.bounds), Source(Path(), name)

    def included(self, include: Include, source: Source, at: KeyPath) -> Iterator[tuple[Block, Source]]:
        """The documents that `include` stands for, in their order. `at` is the object that it stands in."""
        origin = Origin(source.name, include.line, column=include.column)
        if include.kind not in ("", "file"):
            problem = f'include {include.kind}(…): expected include "file" or include required("file")'
            raise ConfigurationError(problem, origin=origin)
        found = False
        for target in self._targets(include, source, origin):
            found = True
            if target.resolve() in source.stack:
                raise _refused("a file can't include itself", origin, include)
            self._includes += 1
            if self._includes > self.bounds.includes:
                raise _refused(f"more than {self.bounds.includes} files are included", origin, include)
            name = str(Path(source.name).parent / Path(include.name).parent / target.name)
            text = self._text(target, origin, key="include", value=include.name)
            as_written = target.name == Path(include.name).name
            block = parse(text, name, self.bounds) if as_written else self._parsed(text, target, name)
            yield block, Source(target, name, (*source.stack, target.resolve()), at)
        if not found and include.required:
            raise _refused("can't be read: no such file or directory", origin, include)
        if not found and not glob.has_magic(include.name):
            self.warnings.append(f'{source.name}:{include.line}: include "{include.name}": no such file; skipped')

    def _targets(self, include: Include, source: Source, origin: Origin) -> list[Path]:
        """The files that an include means: `name` itself, `name.conf` and so on, or those that match a pattern."""
        name = include.name
        if "\0" in name or not Path(name).name:
            raise _refused("expected the name of a file", origin, include)
        target = source.path.parent / name
        try:
            if glob.has_magic(name) and not target.exists():
                return self._matching(target, include, origin)
            if target.suffix in SUFFIXES:
                return [target] if target.exists() else []
            suffixed = [path for suffix in SUFFIXES if (path := Path(f"{target}{suffix}")).is_file()]
            return suffixed or ([target] if target.exists() else [])
        except OSError as error:
            raise _refused(f"can't be read: {reason(error)}", origin, include) from None

    def _matching(self, pattern: Path, include: Include, origin: Origin) -> list[Path]:
        """The files that match a pattern, in the order of their names, or one more than may be included."""
        if glob.has_magic(str(Path(include.name).parent)) or "**" in include.name:
            raise _refused("a pattern is possible in the last part of the path only, without **", origin, include)
        matching = (path for path in pattern.parent.glob(pattern.name) if path.is_file())
        return sorted(islice(matching, self.bounds.includes + 1))

    def _parsed(self, text: str, path: Path, name: str) -> Block:
        return parse_properties(text, name) if path.suffix == ".properties" else parse(text, name, self.bounds)

    def _text(self, path: Path, origin: Origin, **subject: Any) -> str:
        try:
            if subject and not path.is_file():
                problem = "is a directory" if path.is_dir() else "not a file"
                raise ConfigurationError(f"can't be read: {problem}", origin=origin, **subject)
            with path.open("rb") as file:
                data = file.read(4 * self.bounds.length + 1)
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            if len(data) > 4 * self.bounds.length:
                self._count(len(data), origin, **subject)
            line = data.count(b"\n", 0, error.start) + 1
            problem = f"found the byte 0x{data[error.start]:02x} in line {line}, expected UTF-8: save the file as UTF-8"
            raise ConfigurationError(problem, origin=origin, **subject) from None
        except OSError as error:
            raise ConfigurationError(f"can't be read: {reason(error)}", origin=origin, **subject) from None
        self._count(len(text), origin, **subject)
        self.read.append(path.resolve())
        return text

    def _count(self, length: int, origin: Origin, **subject: Any) -> None:
        self._length += length
        if self._length > self.bounds.length:
            problem = f"the configuration is longer than {self.bounds.length} characters"
            raise ConfigurationError(problem, origin=origin, **subject)


def _refused(problem: str, origin: Origin, include: Include) -> ConfigurationError:
    return ConfigurationError(problem, origin=origin, key="include", value=include.name)
