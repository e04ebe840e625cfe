"""Exports, imports and backups of the embedded store, and what can be read of a damaged one."""

from app.backends.archive.backup import back_up
from app.backends.archive.exporting import export
from app.backends.archive.importing import import_
from app.backends.archive.inspecting import check
from app.backends.archive.lines import ArchiveError
from app.backends.archive.salvaging import salvage

__all__ = ["ArchiveError", "back_up", "check", "export", "import_", "salvage"]
