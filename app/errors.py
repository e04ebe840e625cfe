"""The error that ends a start. For wrong settings there is `config.ConfigurationError`."""

from __future__ import annotations


class StartupError(Exception):
    """The configuration is valid, but the application can't start. The text is one line."""
