"""Moving the content of the embedded store in and out: exports, imports and backups."""

from app.backends.archive.backup import back_up
from app.backends.archive.exporting import export
from app.backends.archive.importing import import_
from app.backends.archive.lines import ArchiveError

__all__ = ["ArchiveError", "back_up", "export", "import_"]
