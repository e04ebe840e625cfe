"""What a project may be called. Its Python package has the same name, with `_` in place of `-`."""

from __future__ import annotations

import keyword
import re
import sys

from app.new_project.errors import ProjectError
from config.errors import shown

NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")

OURS = frozenset({"app", "config", "natter", "natter_chat"})
FOLDERS = frozenset({"tests", "wheels"})
"""The other folders of a project."""
# fmt: off
INSTALLED = frozenset({
    "anyio", "argon2", "cffi", "click", "confusable_homoglyphs", "h11", "httpcore2", "httptools", "httpx2", "idna",
    "iniconfig", "msgspec", "packaging", "pip", "pluggy", "precis_i18n", "prompt_toolkit", "py", "pycparser",
    "pygments", "pyhocon", "pyparsing", "pytest", "starlette", "truststore", "typing_extensions", "uvicorn", "uvloop",
    "wcwidth", "websockets",
})
# fmt: on
"""The packages that are installed along with Natter and pytest. The project's folder comes before them on Python's
path, so a package of the same name would hide them."""


def package_name(name: str) -> str:
    """The package of a project called `name`. ProjectError if a project can't be called that."""
    if not NAME.fullmatch(name):
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        example = slug if NAME.fullmatch(slug) and len(slug) <= 40 else "my-chat"
        problem = "expected lowercase letters, digits and hyphens, with a letter first"
        raise ProjectError(f"{shown(name)} can't be the name of a project: {problem}, such as {example}")
    package = name.replace("-", "_")
    if taken := _taken(package):
        raise ProjectError(f"{shown(name)} can't be the name of a project: {package} is {taken}; try {name}-chat")
    return package


def _taken(package: str) -> str:
    """What else has the name of a package; "" if nothing has it."""
    if keyword.iskeyword(package):
        return "a keyword of Python"
    if package in sys.stdlib_module_names or package == "test":  # those names are without Python's own tests
        return "a module of Python itself, which the project would hide"
    if package in OURS:
        return "a name of Natter's own"
    if package in INSTALLED:
        return "a package that Natter or pytest needs, which the project would hide"
    return "the name of another folder of the project" if package in FOLDERS else ""
