"""A Ktor configuration gets a line for each of its keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import config.schema
from app.modules.chat.settings import ChatSettings
from config import App, ConfigurationError, load
from config.ktor_hints import COUNTERPARTS, OTHER, counterpart

ENGINES = """
callGroupSize connectionGroupSize workerGroupSize shutdownGracePeriod shutdownTimeout
runningLimit shareWorkGroup responseWriteTimeoutSeconds requestReadTimeoutSeconds tcpKeepAlive maxInitialLineLength
maxHeaderSize maxChunkSize enableHttp2 enableH2c requestQueueLimit
connectionIdleTimeoutSeconds
"""
"""What EngineMain reads in `ktor.deployment`: for every engine, for Netty, and for CIO."""
KEYS = {
    "application.dependencies", "application.id", "application.modules", "application.startup",
    "application.startupTimeoutMillis", "config", "deployment.environment", "deployment.host", "deployment.port",
    "deployment.rootPath", "deployment.shutdown.url", "deployment.sslPort", "deployment.watch", "development",
    "di.conflictPolicy", "di.keyMapping", "environment", "security.ssl.enabledProtocols", "security.ssl.keyAlias",
    "security.ssl.keyStore", "security.ssl.keyStorePassword", "security.ssl.privateKeyPassword",
    "security.ssl.trustStore", "security.ssl.trustStorePassword", "test.throwOnException",
    *(f"deployment.{key}" for key in ENGINES.split()),
}  # fmt: skip
"""What Ktor 3 reads in the group `ktor`, by its sources and its documentation."""

HEAD = "my.conf:1: ktor: this group is for Ktor, and Natter doesn't read it: see docs/from-ktor.md"


def refused(text: str, folder: Path, *overrides: str) -> list[str]:
    """The lines of the error for a configuration."""
    (folder / "my.conf").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load([folder / "my.conf"], overrides, environment={"PORT": "9"})
    return str(caught.value).replace(f"{folder}/", "").split("\n")


def test_the_table_is_complete() -> None:
    assert set(COUNTERPARTS) == KEYS


@pytest.mark.parametrize("key", COUNTERPARTS)
def test_every_setting_that_is_named_is_one(key: str) -> None:
    settings = {*config.schema.keys(App, ("app",)), *config.schema.keys(ChatSettings, ("chat",)), "app.deployment.tls"}
    told = COUNTERPARTS[key]
    named = re.findall(
        r"\b(?:app|chat)\.[\w.-]*\w", re.sub(r"app\.modules\.chat\.module|app\.property|app\.state", "", told)
    )
    assert set(named) <= settings
    assert told.startswith("no counterpart: ") or named or "-config" in told


def test_every_key_of_a_file_is_told_in_one_go_with_its_line(tmp_path: Path) -> None:
    text = """\
ktor {
  deployment { port = 8080, sslPort = 8443
    port = ${?PORT}
    connectionGroupSize = 2
    shutdown.url = "/bye" }
  application { modules = [ com.example.ApplicationKt.module ]
    id = chat }
  security { ssl { trustStore = trust.jks, keyStorePassword = hunter2 } }
  my.own { a = 1 }
  empty {}
}
jwt.realm = x
"""
    lines = refused(text, tmp_path)
    assert "hunter2" not in "".join(lines)
    assert lines == [
        f"{HEAD}. Instead of its keys:".replace(":1:", ":3:"),
        f"my.conf:3: ktor.deployment.port: {COUNTERPARTS['deployment.port']}",
        f"my.conf:2: ktor.deployment.sslPort: {COUNTERPARTS['deployment.sslPort']}",
        f"my.conf:4: ktor.deployment.connectionGroupSize: {COUNTERPARTS['deployment.connectionGroupSize']}",
        f"my.conf:5: ktor.deployment.shutdown.url: {COUNTERPARTS['deployment.shutdown.url']}",
        f"my.conf:6: ktor.application.modules: {COUNTERPARTS['application.modules']}",
        f"my.conf:7: ktor.application.id: {COUNTERPARTS['application.id']}",
        f"my.conf:8: ktor.security.ssl.trustStore: {COUNTERPARTS['security.ssl.trustStore']}",
        f"my.conf:8: ktor.security.ssl.keyStorePassword: {COUNTERPARTS['security.ssl.keyStorePassword']}",
        f"my.conf:9: ktor.my.own.a: {OTHER}",
        *lines[10:],
    ]
    assert [line for line in lines[10:] if "ktor.empty: " not in line] == []


def test_a_flag_for_a_key_of_ktor_is_told(tmp_path: Path) -> None:
    assert refused("", tmp_path, "ktor.deployment.port=1", "ktor.development=true") == [
        "-P:ktor.deployment.port: write app.deployment.port",
        f"-P:ktor.development: {COUNTERPARTS['development']}",
    ]


@pytest.mark.parametrize("text", ["ktor = 5", "ktor = null"])
def test_a_group_without_keys_is_told_too(text: str, tmp_path: Path) -> None:
    assert refused(text, tmp_path) == [HEAD]


def test_a_group_that_was_only_renamed_is_told_in_one_go(tmp_path: Path) -> None:
    text = """\
app {
  deployment { port = 8080, host = "::1", rootPath = /x
    watch = [ classes ] }
  application.modules = [ com.example.ChatKt.module ]
  modules = [ app.modules.chat.module ]
  development = true
}
"""
    assert refused(text, tmp_path) == [
        "my.conf:2: app.deployment.rootPath: unknown key, from Ktor: write app.deployment.root-path",
        f"my.conf:3: app.deployment.watch: unknown key, from Ktor: {COUNTERPARTS['deployment.watch']}",
        f"my.conf:4: app.application.modules: unknown key, from Ktor: {COUNTERPARTS['application.modules']}",
        f"my.conf:6: app.development: unknown key, from Ktor: {COUNTERPARTS['development']}",
    ]


def test_another_mistake_is_told_with_those_of_ktor(tmp_path: Path) -> None:
    assert refused("app.deployment { prot = 1, rootPath = /x }", tmp_path) == [
        "my.conf:1: app.deployment.prot: unknown key; did you mean port?",
        "my.conf:1: app.deployment.rootPath: unknown key, from Ktor: write app.deployment.root-path",
    ]
    assert refused("app.deployment { prot = 1 }", tmp_path) == [
        "my.conf:1: app.deployment.prot: unknown key; did you mean port?"
    ]
    assert refused("app = 5", tmp_path) == ["my.conf:1: app = 5: expected a group of keys, in braces"]


def test_a_key_that_ktor_does_not_have_is_told_as_ones_own() -> None:
    assert counterpart(("ktor", "deployment", "host")) == "write app.deployment.host"
    assert counterpart(("ktor", "x")) == counterpart(("ktor",)) == OTHER
