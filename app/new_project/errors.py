"""The error of this package."""

from __future__ import annotations


class ProjectError(Exception):
    """Why no project can be made, in one line that says what to do."""
