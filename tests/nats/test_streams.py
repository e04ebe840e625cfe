"""The stream that a node finds in place of its log, and what it says of it."""

from __future__ import annotations

import pytest

from app.backends.nats.engine import Engine
from app.backends.nats.settings import NatsSettings
from tests.nats.refusals import refusal
from tests.nats.servers import Servers

pytestmark = pytest.mark.anyio


async def made_with(servers: Servers, name: str, **config: object) -> NatsSettings:
    """The settings of a node that finds a stream of Natter's with other settings."""
    settings = servers.settings(stream=name)
    engine = Engine(settings)
    await engine.open()
    info = await engine.request(f"STREAM.INFO.{name}")
    await engine.request(f"STREAM.UPDATE.{name}", info["config"] | config)
    await engine.close()
    return settings


async def test_one_that_natter_did_not_make(servers: Servers) -> None:
    settings = servers.settings(stream="theirs")
    engine = Engine(servers.settings(stream="other"))
    await engine.open()
    await engine.request("STREAM.CREATE.theirs", {"name": "theirs", "subjects": ["theirs.log"], "storage": "file"})
    await engine.close()
    assert await refusal(settings) == (
        "chat.nats.stream: the stream 'theirs' was not made by Natter: choose another name, such as theirs-chat"
    )


async def test_one_that_has_our_subject(servers: Servers) -> None:
    engine = Engine(servers.settings(stream="other"))
    await engine.open()
    await engine.request("STREAM.CREATE.everything", {"name": "everything", "subjects": ["taken.*"]})
    await engine.close()
    assert await refusal(servers.settings(stream="taken")) == (
        "chat.nats: another stream has the subject taken.log: choose another name with chat.nats.stream"
    )


async def test_one_that_does_not_keep_all(servers: Servers) -> None:
    settings = await made_with(servers, "aged", max_age=3600 * 10**9)
    assert await refusal(settings) == (
        "chat.nats.stream: the stream 'aged' has max_age = 3600000000000 instead of 0: put that back with "
        "`nats stream edit aged`, or choose another stream"
    )


async def test_one_that_nobody_hears_of(servers: Servers) -> None:
    settings = await made_with(servers, "silent", republish=None)
    assert await refusal(settings) == (
        "chat.nats.stream: the stream 'silent' has republish = none instead of src silent.log, dest silent.live: "
        "put that back with `nats stream edit silent`, or choose another stream"
    )


async def test_one_with_fewer_copies(servers: Servers) -> None:
    engine = Engine(servers.settings(stream="single"))
    await engine.open()
    await engine.close()
    assert await refusal(servers.settings(stream="single", replicas=3)) == (
        "chat.nats.replicas: the stream 'single' has 1 instead of 3: run `nats stream edit single --replicas=3`, "
        "or set chat.nats.replicas = 1"
    )


async def test_copies_that_one_server_can_not_keep(servers: Servers) -> None:
    assert await refusal(servers.settings(stream="copies", replicas=3)) == (
        "chat.nats: the server is not in a cluster, so it can't keep 3 copies: configure a cluster, or set "
        "chat.nats.replicas = 1"
    )


async def test_one_that_is_larger_than_the_servers_have_room_for(servers: Servers) -> None:
    assert await refusal(servers.settings(stream="huge", max_bytes=1 << 50)) == (
        "chat.nats: the servers have no room for 1125899906842624 bytes on 1 of them: raise max_file_store in their "
        "configuration, or set chat.nats.max-bytes before the first start"
    )


async def test_one_with_another_size_is_used(servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
    settings = await made_with(servers, "small", max_bytes=32 << 20)
    engine = Engine(settings)
    await engine.open()
    await engine.close()
    (record,) = caplog.records
    assert record.getMessage() == (
        "The stream small may have 33554432 bytes, and chat.nats.max-bytes is 67108864: to change it, run "
        "`nats stream edit small --max-bytes=67108864`"
    )
