"""The search process and its client: it follows the store, forgets, and comes back when it is killed."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from app.backends import Unavailable
from app.backends.search import Found, Query, index_path
from app.backends.search.client import SearchClient
from app.backends.search.engine import SCANNED
from app.backends.search.finish import finish
from app.processes.child import LOW
from tests.backends.search.stores import FAR, Store
from tests.clients import DEADLINE


class Server:
    """A store in a file, with a client."""

    def __init__(self, path: Path) -> None:
        self.path, self.store = str(path), Store(path)
        self.dropped: Queue[int] = Queue()
        self.client = SearchClient(self.path, self.dropped.put)

    def find(self, words: str, *logs: str) -> Found:
        query = Query(list(logs or ("room",)), words, FAR, 100, budget=30.0, by_pos=len(logs) > 1)
        return self.client.search(query).result(DEADLINE)

    def forget(self) -> None:
        """Wait until the index has dropped all that is forgotten, and delete it from the store."""
        (last,) = self.store.connection.execute("SELECT max(id) FROM forgotten").fetchone()
        while self.dropped.get(timeout=DEADLINE) < last:
            pass
        self.store.drop_forgotten(last)


@contextmanager
def serving(path: Path) -> Iterator[Server]:
    server = Server(path)
    try:
        yield server
    finally:
        server.client.close()
        server.store.connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "chat.db") as one:
        yield one


def test_what_was_stored_is_found(server: Server) -> None:
    pos = server.store.say_all(["a fox", "東京都に行く", "getUserName"])
    assert [row[6] for row in server.find("fox").rows] == ["a fox"]
    server.client.wake(pos)
    found = server.find("京都")
    assert (found.positions, found.marks, found.partial, found.behind, found.next) == ([2], [[(1, 3)]], False, 0, 0)
    server.store.say("another fox", "@1,2")
    assert server.find("fox", "room", "~2").positions == [1, 4]
    assert server.find("fox", "~3").positions == []


def test_deleted_words_leave_the_index(server: Server) -> None:
    server.store.say_all(["secretword one", "common words"])
    assert server.find("secretword").positions == [1]
    server.store.remove(1)
    server.client.wake(3)
    server.forget()
    assert b"secretword" not in b"".join(each.read_bytes() for each in Path(server.path).parent.glob("chat.db-search*"))
    assert server.find("secretword").positions == []
    server.client.close()
    assert finish(server.path, server.store.connection) == 1
    assert b"secretword" not in Path(index_path(server.path)).read_bytes()


def test_finish_drops_what_the_process_did_not(server: Server) -> None:
    server.store.say_all(["secretword one", "common words"])
    server.client.wake(2)
    server.store.edit(2, "common phrases")
    server.client.wake(2)
    server.forget()
    server.client.close()
    server.store.remove(1)
    assert finish(server.path, server.store.connection) == 2
    assert b"secretword" not in Path(index_path(server.path)).read_bytes()
    server.store.drop_forgotten(2)
    with serving_again(server) as again:
        assert [row[6] for row in again.find("common").rows] == ["common phrases"]


@contextmanager
def serving_again(server: Server) -> Iterator[Server]:
    again = Server.__new__(Server)
    again.path, again.store, again.dropped = server.path, server.store, Queue()
    again.client = SearchClient(again.path, again.dropped.put)
    try:
        yield again
    finally:
        again.client.close()


def test_finish_without_an_index(server: Server) -> None:
    server.store.say("word")
    assert finish(server.path, server.store.connection) == 0
    server.store.remove(1)
    assert finish(server.path, server.store.connection) == 1
    assert not Path(index_path(server.path)).exists()


def test_a_killed_process_is_started_again(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.store.say("word")
    assert server.find("word").positions == [1]
    os.kill(server.client.pid, signal.SIGSTOP)
    waiting = server.client.search(Query(["room"], "word", FAR, 10))
    os.kill(server.client.pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match=r"the search process ended \(signal 9\)"):
        waiting.result(DEADLINE)
    while True:
        try:
            assert server.find("word").positions == [1]
            break
        except Unavailable:  # until it is started again
            pass
    assert "started again" in caplog.text


def test_it_gives_way_to_the_server(server: Server) -> None:
    server.store.say("word")
    assert server.find("word").positions == [1]
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, server.client.pid) == min(19, own + LOW.nice)
    assert os.sched_getscheduler(server.client.pid) == os.SCHED_OTHER


def test_signals_to_the_whole_group_do_not_end_it(server: Server) -> None:
    server.store.say("word")
    assert server.find("word").positions == [1]
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(server.client.pid, number)
    assert server.find("word").positions == [1]


def test_a_wrong_query_concerns_its_caller_alone(server: Server) -> None:
    with pytest.raises(ValueError, match="mailbox"):
        server.find("word", "~01")
    with pytest.raises(ValueError, match="surrogates"):
        server.find("word", "\ud800")
    for before in (2**63, 2**64):
        with pytest.raises((ValueError, OverflowError)):
            server.client.search(Query(["room"], "word", before, 10)).result(DEADLINE)
    server.store.say("word")
    assert server.find("word").positions == [1]


def test_after_the_end(server: Server) -> None:
    waiting = server.client.search(Query(["room"], "word", FAR, 10))
    server.client.close()
    server.client.close()
    server.client.wake(1)
    for future in (waiting, server.client.search(Query(["room"], "word", FAR, 10))):
        with pytest.raises(Unavailable, match="the store is closed"):
            future.result(DEADLINE)


def test_a_damaged_index_is_rebuilt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Path(index_path(str(tmp_path / "chat.db"))).write_bytes(b"no index at all" * 1000)
    with serving(tmp_path / "chat.db") as server:
        server.store.say_all(["word"] * 3)
        assert server.find("word").positions == [1, 2, 3]


def test_an_index_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Path(index_path(str(tmp_path / "chat.db"))).mkdir()
    with serving(tmp_path / "chat.db") as server:
        server.store.say_all(["word"] * (SCANNED + 10))
        found = server.find("word")
        assert found.positions == list(range(SCANNED - 89, SCANNED + 11))
        assert found.behind == 10
        assert "indexing failed" in caplog.text
