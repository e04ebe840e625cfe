"""What a node says that can't start because of the servers, or of what it is told about them: one line each."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from app.backends.nats import engine as engine_module
from app.backends.nats.settings import NatsSettings
from benchmarks.ports import free_port
from tests.clients import DEADLINE, ROOT
from tests.nats.fake import fake_server
from tests.nats.plain import opened
from tests.nats.refusals import refusal
from tests.nats.servers import PASSWORD, USER, Servers, running

pytestmark = pytest.mark.anyio

REMEDY = ": start the servers, or correct chat.nats.servers"
JETSTREAM = "jetstream {{ store_dir: '{}', max_file_store: 128MB }}\n"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers have no time to come up."""
    monkeypatch.setattr(engine_module, "START_PATIENCE", 0.0)


@pytest.mark.usefixtures("impatient")
async def test_no_server_is_there() -> None:
    found = await refusal(NatsSettings((f"nats://127.0.0.1:{free_port()}",)))
    assert found == f"chat.nats: no server can be used: ADDRESS: nothing listens there{REMEDY}"


@pytest.mark.usefixtures("impatient")
async def test_there_is_no_such_host() -> None:
    found = await refusal(NatsSettings(("nats.invalid",)))
    assert found == f"chat.nats: no server can be used: nats.invalid:4222: no such host{REMEDY}"


@pytest.mark.usefixtures("impatient")
async def test_something_else_listens_there() -> None:
    async with fake_server(b"SSH-2.0-OpenSSH_10.0\r\n") as fake:
        assert await refusal(NatsSettings((fake.url,))) == (
            f"chat.nats: no server can be used: ADDRESS: it is no NATS server{REMEDY}"
        )


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from app.backends.nats import connection

    monkeypatch.setattr(connection, "CONNECT_TIMEOUT", 0.1)
    async with fake_server(b" ") as fake:
        found = await refusal(NatsSettings((fake.url,)))
    assert found == f"chat.nats: no server can be used: ADDRESS: it does not answer{REMEDY}"


async def test_many_servers_that_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """They don't take longer than one."""
    monkeypatch.setattr(engine_module, "START_PATIENCE", 0.0)
    monkeypatch.setattr(engine_module, "LAST_ATTEMPT", 0.1)
    async with fake_server(b" ") as fake, fake_server(b" ") as another:
        found = await refusal(NatsSettings((fake.url, another.url)))
    assert found == f"chat.nats: no server can be used: none of them answers{REMEDY}"


async def test_wrong_credentials(servers: Servers) -> None:
    """At once: to wait doesn't help."""
    assert await refusal(servers.settings(user="ann", password="wrong")) == (
        "chat.nats: no server can be used: ADDRESS: it does not let user ann in: set chat.nats.user and "
        "chat.nats.password"
    )
    assert "it lets nobody in without a name" in await refusal(NatsSettings(servers.urls))


async def test_a_user_that_may_only_do_what_nodes_need(tmp_path: Path) -> None:
    (allowed,) = re.findall(r"`permissions (\{.*\})`", (ROOT / "docs/cluster.md").read_text())
    more = f"authorization {{ users: [{{ user: {USER}, password: '{PASSWORD}', permissions: {allowed} }}] }}\n"
    with running(tmp_path, more=more) as servers:
        async with opened(servers.settings()) as engine:
            heard: asyncio.Queue[bytes] = asyncio.Queue()
            for subject in ("natter.live", "natter.hints"):
                engine.listen(subject, lambda payload, _: heard.put_nowait(payload))
            await engine.flushed()
            assert await engine.append(b"batch", patience=DEADLINE) == 1
            assert await heard.get() == b"batch"
            engine.tell("natter.hints", b"hint")
            assert await heard.get() == b"hint"
            assert await engine.read(1) == [(1, b"batch")]
            await engine.purge(2)


async def test_a_user_that_may_do_too_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "START_PATIENCE", 0.0)
    monkeypatch.setattr(engine_module, "ANSWER_PATIENCE", 0.1)
    user = f"user: {USER}, password: '{PASSWORD}', permissions: {{ publish: 'natter.>' }}"
    with running(tmp_path, more=f"authorization {{ users: [{{ {user} }}] }}\n") as servers:
        assert 'permissions violation for publish to "$js.api.' in await refusal(servers.settings())


async def test_a_server_that_is_too_old() -> None:
    async with fake_server(version="2.10.29") as fake:
        assert await refusal(NatsSettings((fake.url,))) == (
            "chat.nats: no server can be used: ADDRESS: its version is 2.10.29: upgrade nats-server to 2.11 or later"
        )


async def test_a_server_that_takes_too_little() -> None:
    async with fake_server(max_payload=65536) as fake:
        assert await refusal(NatsSettings((fake.url,))) == (
            "chat.nats: no server can be used: ADDRESS: its max_payload is 65536: set max_payload: 1MB in its "
            "configuration"
        )


async def test_jetstream_is_off(tmp_path: Path) -> None:
    with running(tmp_path, more="# no jetstream\n") as servers:
        assert await refusal(servers.settings()) == (
            "chat.nats: no server can be used: ADDRESS: JetStream is off: add jetstream { store_dir: … } to the "
            "server's configuration"
        )


async def test_jetstream_is_off_for_the_account(tmp_path: Path) -> None:
    more = JETSTREAM.format(tmp_path / "files") + (
        f"accounts {{ A {{ users: [{{ user: {USER}, password: '{PASSWORD}' }}] }} }} # authorization\n"
    )
    with running(tmp_path, more=more) as servers:
        assert "JetStream is off for user natter" in await refusal(servers.settings())
