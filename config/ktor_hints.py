"""Tells people who bring a Ktor configuration which setting to use instead of each of its keys."""

from __future__ import annotations

from typing import Any

COUNTERPARTS = {
    "deployment.host": "app.deployment.host",
    "deployment.port": "app.deployment.port",
    "deployment.rootPath": "app.deployment.root-path",
    "deployment.shutdownGracePeriod": "app.deployment.shutdown-grace",
    "deployment.shutdownTimeout": "app.deployment.shutdown-grace",
    "deployment.watch": "app.deployment.reload",
    "deployment.sslPort": "app.deployment.port, with app.deployment.tls",
    "security.ssl.keyStore": "app.deployment.tls.certificate and app.deployment.tls.key, in PEM format",
    "security.ssl.keyAlias": "app.deployment.tls.certificate",
    "security.ssl.keyStorePassword": "",
    "security.ssl.privateKeyPassword": "",
    "development": "app.deployment.reload",
    "application.modules": "app.modules, with Python functions such as app.modules.chat.module",
    "application.id": "",
}
"""Maps a key of Ktor's group `ktor` to ours; empty if it isn't needed."""


def hint(group: Any) -> str:
    """One line that names our counterpart of every key in the group `ktor`."""
    renamed = [f"ktor.{key} is {COUNTERPARTS.get(key) or 'not needed'}" for key in _leaves(group)]
    return "this is a Ktor configuration. In Natter, " + ("; ".join(renamed) or "the group is called app")


def _leaves(node: Any, path: str = "") -> list[str]:
    if not isinstance(node, dict):
        return [path] if path else []
    return [leaf for key, child in node.items() for leaf in _leaves(child, f"{path}.{key}".lstrip("."))]
