"""Tells people who come from Ktor what to write instead of each key of its configuration."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from config.errors import ConfigurationError, ConfigurationErrors
from config.hocon import Tree

PAGE = "docs/from-ktor.md"
"""The page that explains it."""

NO_THREADS = "no counterpart: one event loop serves all connections, so there are no groups of threads to size"
NO_PASSWORD = "no counterpart: PEM files need none, and the key must have no pass phrase"  # noqa: S105
NO_CLIENT_CERTIFICATES = "no counterpart: clients aren't asked for certificates; let a proxy in front do that"
NO_CONTAINER = "no counterpart: nothing is injected; a module is a function, and app.state passes on what it makes"
IN_ORDER = "no counterpart: modules run one after the other, in the order of app.modules"
ONE_HEAD = "no counterpart: a request line and its headers together may have 16 KiB"
NO_HTTP_2 = "no counterpart: the server speaks HTTP/1.1; let a proxy in front speak HTTP/2 to browsers"

COUNTERPARTS = {
    "application.dependencies": NO_CONTAINER,
    "application.id": "no counterpart: it names the log in Ktor; here its name is Application, see logging.ini",
    "application.modules": "write app.modules, with Python functions such as app.modules.chat.module",
    "application.startup": IN_ORDER,
    "application.startupTimeoutMillis": IN_ORDER,
    "config": "name the file with the flag -config or the environment variable APP_CONFIG",
    "deployment.callGroupSize": NO_THREADS,
    "deployment.connectionGroupSize": NO_THREADS,
    "deployment.connectionIdleTimeoutSeconds": "no counterpart: an idle HTTP connection is closed after 5 seconds; for "
    "WebSockets, see app.websockets.ping-period and app.websockets.timeout",
    "deployment.enableH2c": NO_HTTP_2,
    "deployment.enableHttp2": NO_HTTP_2,
    "deployment.environment": "no counterpart: put a setting of your own into a group of its own, and read it with "
    'app.property("group.key")',
    "deployment.host": "write app.deployment.host",
    "deployment.maxChunkSize": "no counterpart: for messages, see app.websockets.max-frame-size",
    "deployment.maxHeaderSize": ONE_HEAD,
    "deployment.maxInitialLineLength": ONE_HEAD,
    "deployment.port": "write app.deployment.port",
    "deployment.requestQueueLimit": "no counterpart: app.deployment.requests-per-address limits how many requests "
    "come, and further ones get 429",
    "deployment.requestReadTimeoutSeconds": "no counterpart: the head of a request must arrive within 5 seconds",
    "deployment.responseWriteTimeoutSeconds": "no counterpart: for clients that don't read, see chat.outbox.stall",
    "deployment.rootPath": "write app.deployment.root-path",
    "deployment.runningLimit": "no counterpart: the requests of a connection are answered one after the other; "
    "app.websockets.connections limits the connections",
    "deployment.shareWorkGroup": NO_THREADS,
    "deployment.shutdown.url": "no counterpart: no URL stops the server; send it SIGTERM",
    "deployment.shutdownGracePeriod": "write app.deployment.shutdown-grace; a number is milliseconds here as well",
    "deployment.shutdownTimeout": "no counterpart: after app.deployment.shutdown-grace, what is left is closed at once",
    "deployment.sslPort": "write app.deployment.port, with app.deployment.tls: the server has one port, with TLS or "
    "without",
    "deployment.tcpKeepAlive": "no counterpart: pings find dead connections, see app.websockets.ping-period",
    "deployment.workerGroupSize": NO_THREADS,
    "deployment.watch": "write app.deployment.reload = true: it watches the working directory and the folder of the "
    "configuration, and there are no paths to choose",
    "development": "write app.deployment.reload = true: the server restarts when a file changes; nothing else differs",
    "di.conflictPolicy": NO_CONTAINER,
    "di.keyMapping": NO_CONTAINER,
    "environment": "no counterpart: put a setting of your own into a group of its own, and read it with "
    'app.property("group.key")',
    "security.ssl.enabledProtocols": "no counterpart: the server takes TLS 1.2 and later",
    "security.ssl.keyAlias": "no counterpart: a PEM file has one certificate, with those that it needs",
    "security.ssl.keyStore": "write app.deployment.tls.certificate and app.deployment.tls.key, with PEM files",
    "security.ssl.keyStorePassword": NO_PASSWORD,
    "security.ssl.privateKeyPassword": NO_PASSWORD,
    "security.ssl.trustStore": NO_CLIENT_CERTIFICATES,
    "security.ssl.trustStorePassword": NO_CLIENT_CERTIFICATES,
    "test.throwOnException": "no counterpart: an error of a module fails its test, see docs/testing.md",
}
"""Every key that Ktor 3 or an older one reads in its group `ktor`, and what to do instead."""
OTHER = (
    "no counterpart: Ktor itself doesn't know this key; put a setting of your own into a group of its own, and read it "
    'with app.property("group.key")'
)


def refusal(tree: Tree) -> ConfigurationErrors:
    """What is wrong with a configuration that has a group `ktor`: a line for each key."""
    paths = [("ktor", *key) for key in _leaves(tree.values["ktor"]) if key]
    problems = [_problem(tree, path, counterpart(path)) for path in paths]
    if not problems or not all(problem.origin and problem.origin.is_flag for problem in problems):
        keys = ". Instead of its keys:" if problems else ""
        text = f"this group is for Ktor, and Natter doesn't read it: see {PAGE}{keys}"
        problems.insert(0, _problem(tree, ("ktor",), text))
    return ConfigurationErrors(problems)


def with_renamed(error: ConfigurationError, tree: Tree, known: Collection[str]) -> ConfigurationError:
    """`error` in the group `app`, or a line for each key in it that is Ktor's: someone may have renamed only the group.
    `known` are the keys of `app`."""
    keys = [key for key in _leaves(tree.values.get("app")) if ".".join(key) in COUNTERPARTS]
    paths = [("app", *key) for key in keys if ".".join(("app", *key)) not in known]
    problems = [_problem(tree, path, f"unknown key, from Ktor: {counterpart(path)}") for path in paths]
    if not problems:
        return error
    told = any(f"{problem.key}.".startswith(f"{error.key}.") for problem in problems)
    return ConfigurationErrors(problems if told else [error, *problems])


def _problem(tree: Tree, path: tuple[str, ...], text: str) -> ConfigurationError:
    """A problem of the key at `path`, wherever its value came from."""
    origin = tree.origin(path)
    return ConfigurationError(text, origin=origin and replace(origin, variable=""), key=".".join(path))


def counterpart(path: tuple[str, ...]) -> str:
    """What to do instead of the key at `path` in the group of its first name, which Ktor calls `ktor`."""
    return COUNTERPARTS.get(".".join(path[1:]), OTHER)


def _leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(node, dict) and node:
        for key, child in node.items():
            yield from _leaves(child, (*path, key))
    else:
        yield path
