"""Which values are secrets, and what is shown of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from config import ConfigurationError, load
from config.secrets import MASK, is_secret, masked, without_secrets


@pytest.mark.parametrize(
    "name",
    [
        "password", "db-password", "dbPassword", "DB_PASSWORD", "keyStorePassword", "passwords", "PGPASSWORD", "passwd",
        "pass", "SMTP_PASS", "pwd", "passphrase", "pass-phrase", "secret", "clientSecret", "HOOK_SECRET", "secrets",
        "token", "access_token", "TOKENS", "credentials", "key", "api-key", "apiKey", "APIKey", "apikey", "APIKEY",
        "private-key", "AWS_SECRET_ACCESS_KEY", "signing-keys", "cookie", "authorization", "pin", "salt",
    ],
)  # fmt: skip
def test_a_name_of_a_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["", "port", "host-names", "key-alias", "keyboard", "monkey", "compass", "bypass", "pinned", "ping-period", "store",
     "masking", "sign-ins", "certificate", "passing", "operators", "salted"],
)  # fmt: skip
def test_a_name_of_something_else(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://ann:pw@db:5432/chat", "postgres://***@db:5432/chat"),
        ("https://0123abcd@errors.example/1", "https://***@errors.example/1"),
        ("redis://:pw@[::1]:6379", "redis://***@[::1]:6379"),
        ("postgres://ann:p/w@db/chat", "postgres://***@db/chat"),
        ("postgres://ann:p@w@db/chat", "postgres://***@db/chat"),
        ("https://chat.example:8443/@ann", "https://chat.example:8443/@ann"),
        ("https://chat.example/hook?room=lobby&token=abc", "https://chat.example/hook?room=lobby&token=***"),
        ("host=db password=pw port=5", "host=db password=*** port=5"),
        ("host=db password='p w' port=5", "host=db password=*** port=5"),
        ("Server=db;Pwd=p,w;User=ann", "Server=db;Pwd=***;User=ann"),
        ("Bearer abc.def", "Bearer ***"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n", MASK),
        ("-----BEGIN CERTIFICATE-----\nabc\n", "-----BEGIN CERTIFICATE-----\nabc\n"),
        ("ann@example.com", "ann@example.com"),
        ("a = b", "a = b"),
        ("", ""),
    ],
)
def test_of_a_text_its_secrets_are_not_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert without_secrets([{"x": text}]) == [{"x": shown}]


def test_of_a_secret_only_whether_it_is_set_is_shown() -> None:
    assert masked({"a": "x", "b": ["y", 5], "c": "", "d": None, "e": True}) == {
        "a": MASK, "b": [MASK, MASK], "c": "", "d": None, "e": True
    }  # fmt: skip
    assert without_secrets({"tokens": {"ann": "x"}, "name": "bot"}) == {"tokens": {"ann": MASK}, "name": "bot"}


@dataclass(frozen=True)
class Inner:
    port: int = 0


@dataclass(frozen=True)
class Bot:
    token: int = 0
    secrets: Inner = Inner()
    name: int = field(default=0, metadata={"secret": True})
    key: int = field(default=0, metadata={"secret": False})
    port: int = 0


@pytest.mark.parametrize(
    ("key", "value", "environment", "shown"),
    [
        ("bot.token", "hunter2", {}, "***"),
        ("bot.secrets.port", "hunter2", {}, "***"),
        ("bot.name", "hunter2", {}, "***"),
        ("bot.key", "a.pem", {}, "a.pem"),
        ("bot.port", "many", {}, "many"),
        ("bot.port", "${DB_PASSWORD}", {"DB_PASSWORD": "hunter2"}, "***"),
        ("bot.port", "${BOT}", {"BOT": "many"}, "many"),
        ("bot.port", '"nats://ann:hunter2@nats.example:4222"', {}, "nats://***@nats.example:4222"),
    ],
)
def test_an_error_does_not_show_a_secret(
    key: str, value: str, environment: dict[str, str], shown: str, tmp_path: Any
) -> None:
    (tmp_path / "my.conf").write_text(f"{key} = {value}")
    with pytest.raises(ConfigurationError) as caught:
        load([tmp_path / "my.conf"], environment=environment).group("bot", Bot)
    assert f'{key} = "{shown}"' in str(caught.value)
    assert "hunter2" not in str(caught.value)
