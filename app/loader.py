"""Loads the modules that `app.modules` lists: imports each `package.module.function` and calls it, in that order."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from config import ConfigurationError, Settings
from config.errors import suggestion

Module = Callable[[Any], Any]


def run_modules(app: object, settings: Settings, listed: Sequence[str | Module] | None = None) -> None:
    """Import every module of `app.modules`, or of `listed` instead, then call each one with `app`, in order.

    Modules are searched next to the configuration files first, then on Python's path; `listed` may also hold the
    functions themselves. ConfigurationError for a module that is missing, isn't a function, is listed twice, or raises
    an error.
    """
    for file in reversed(settings.files):
        directory = str(file.resolve().parent)
        if directory not in sys.path:
            sys.path.insert(0, directory)
    modules: dict[Module, str] = {}
    for one in settings.app.modules if listed is None else listed:
        module, name = (_import(one, settings), one) if isinstance(one, str) else (one, _name(one))
        if module in modules:
            raise _error(settings, name, "listed twice: each module runs once, so remove one of them")
        modules[module] = name
    for module, name in modules.items():
        try:
            module(app)
        except ConfigurationError:
            raise
        except Exception as error:
            raise _error(settings, name, f"raised {describe(error)}") from error


def _name(module: Module) -> str:
    return f"{module.__module__}.{getattr(module, '__qualname__', type(module).__qualname__)}"


def _import(name: str, settings: Settings) -> Module:
    path, _, function = name.rpartition(":" if ":" in name else ".")
    if not path or not all(part.isidentifier() for part in (*path.split("."), function)):
        raise _error(settings, name, "expected the name of a function, such as package.module.function")
    try:
        imported = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path + ".").startswith(error.name + "."):
            where = ", ".join(str(file.resolve().parent) for file in settings.files)
            places = f"next to the configuration file ({where}) or on Python's path" if where else "on Python's path"
            problem = f"there is no Python module {error.name} {places}"
            raise _error(settings, name, problem) from None
        raise _error(settings, name, f"importing {path} raised {describe(error)}") from error
    except Exception as error:
        raise _error(settings, name, f"importing {path} raised {describe(error)}") from error
    module = getattr(imported, function, None)
    if module is None:
        functions = [key for key, value in vars(imported).items() if inspect.isfunction(value)]
        raise _error(settings, name, f"{path} has no function {function}{suggestion(function, functions)}")
    if not callable(module):
        raise _error(settings, name, f"expected a function, but {path}.{function} is of type {type(module).__name__}")
    if inspect.iscoroutinefunction(module):
        raise _error(settings, name, "expected a plain function, not an async one: a module only registers things")
    return module  # type: ignore[no-any-return]


def describe(error: BaseException) -> str:
    """Describe an exception in one line, with the file and line where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    file, line = (
        (error.filename, error.lineno) if isinstance(error, SyntaxError) else (frames[-1].filename, frames[-1].lineno)
    )
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {message} ({file}, line {line})"


def _error(settings: Settings, name: str, problem: str) -> ConfigurationError:
    return ConfigurationError(problem, origin=settings.tree.origin(("app", "modules")), key="app.modules", value=name)
