"""Modules by name: `package.module.function`, imported and run in the order of `app.modules`."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Any

from config import ConfigurationError, Settings
from config.errors import suggestion

Module = Callable[[Any], Any]


def run_modules(app: object, settings: Settings) -> None:
    """Import every module of `app.modules`, then run each once, in order.

    Modules are found in the project and beside the configuration files. ConfigurationError, in one line, for one that
    is missing, can't be called, is listed twice, or raises.
    """
    for file in reversed(settings.files):
        directory = str(file.resolve().parent)
        if directory not in sys.path:
            sys.path.insert(0, directory)
    names = settings.app.modules
    modules: dict[Module, str] = {}
    for name in names:
        module = _imported(name, settings)
        if module in modules:
            raise _wrong(settings, name, "listed twice: each module runs once")
        modules[module] = name
    for module, name in modules.items():
        try:
            module(app)
        except ConfigurationError:
            raise
        except Exception as error:
            raise _wrong(settings, name, f"raised {told(error)}") from error


def _imported(name: str, settings: Settings) -> Module:
    path, _, function = name.rpartition(":" if ":" in name else ".")
    if not path or not all(part.isidentifier() for part in (*path.split("."), function)):
        raise _wrong(settings, name, "expected a function's name, as in package.module.function")
    try:
        imported = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path + ".").startswith(error.name + "."):
            where = ", ".join(str(file.resolve().parent) for file in settings.files)
            beside = f" nor beside the configuration file, in {where}" if where else ""
            problem = f"there is no Python module {error.name} in the project{beside}"
            raise _wrong(settings, name, problem) from None
        raise _wrong(settings, name, f"importing {path} raised {told(error)}") from error
    except Exception as error:
        raise _wrong(settings, name, f"importing {path} raised {told(error)}") from error
    module = getattr(imported, function, None)
    if module is None:
        functions = [key for key, value in vars(imported).items() if inspect.isfunction(value)]
        raise _wrong(settings, name, f"{path} has no function {function}{suggestion(function, functions)}")
    if not callable(module):
        raise _wrong(settings, name, f"expected a function, but {path}.{function} is of type {type(module).__name__}")
    if inspect.iscoroutinefunction(module):
        raise _wrong(settings, name, "expected a plain function, not an async one: it only registers things")
    return module  # type: ignore[no-any-return]


def told(error: BaseException) -> str:
    """An exception in one line, with the file and line that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    file, line = (
        (error.filename, error.lineno) if isinstance(error, SyntaxError) else (frames[-1].filename, frames[-1].lineno)
    )
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {message} ({file}, line {line})"


def _wrong(settings: Settings, name: str, problem: str) -> ConfigurationError:
    return ConfigurationError(problem, origin=settings.tree.origin(("app", "modules")), key="app.modules", value=name)
