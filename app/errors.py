"""What ends a start. Wrong settings raise `config.ConfigurationError`."""

from __future__ import annotations


class StartupError(Exception):
    """The application is configured correctly but can't start. Its text is one line."""
