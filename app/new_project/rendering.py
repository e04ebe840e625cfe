"""Templates. `{{name}}` stands for a value. The lines between `{{#part}}` and `{{/part}}` belong to projects with that
part, those between `{{^part}}` and `{{/part}}` to the others. Each of these marks has a line for itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from importlib.resources import files

MARK = re.compile(r"\{\{([#^/])(\w+)\}\}\n?")
VALUE = re.compile(r"\{\{(\w+)\}\}")


def template(name: str) -> str:
    """The text of the template `name`."""
    return (files(__package__) / "templates" / f"{name}.in").read_text(encoding="utf-8")


def render(text: str, values: Mapping[str, str], parts: AbstractSet[str]) -> str:
    """Fill in `values`, and keep what belongs to a project with `parts`."""
    kept: list[str] = []
    open_: list[tuple[str, bool]] = []
    for line in text.splitlines(keepends=True):
        if not (mark := MARK.fullmatch(line)):
            kept += [line] if all(wanted for _, wanted in open_) else []
        elif mark[1] == "/":
            name, _ = open_.pop()
            assert name == mark[2], f"{{{{/{mark[2]}}}}} ends {name}"
        else:
            open_.append((mark[2], (mark[2] in parts) == (mark[1] == "#")))
    assert not open_, f"{{{{#{open_[-1][0]}}}}} has no end"
    return VALUE.sub(lambda found: values[found[1]], "".join(kept))
