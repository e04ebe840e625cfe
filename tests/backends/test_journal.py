"""The journal: what is read back is what was written, up to the first record that isn't whole or is older."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.backends import journal
from app.backends.journal import Journal

EPOCH = "abcd1234"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "store.db")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 2,000 bytes, so that they are used again soon."""
    monkeypatch.setattr(journal, "SIZE", 2000)
    monkeypatch.setattr(journal, "STEP", 500)
    monkeypatch.setattr(journal, "USED", 100)


def read(path: str, after: int = 0, epoch: str = EPOCH) -> dict[int, bytes]:
    return dict(journal.records(path, epoch, after))


def payloads(count: int, seed: int = 0) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(chance.randint(1, 300)) for _ in range(count)]


def test_records_come_back_in_order_with_their_numbers(path: str) -> None:
    written = Journal(path, EPOCH, 41)
    for payload in payloads(20):
        written.write(payload)
    assert written.last == 61
    assert read(path, 41) == dict(enumerate(payloads(20), 42))
    assert read(path, 50) == dict(enumerate(payloads(20)[9:], 51))
    assert journal.last_number(path, EPOCH) == 61
    written.close(remove=True)
    assert read(path) == {}
    assert journal.last_number(path, EPOCH) == 0


def test_without_a_write_there_is_no_file(path: str) -> None:
    Journal(path, EPOCH, 0).close(remove=False)
    assert list(Path(path).parent.iterdir()) == []


def test_a_gap_ends_what_is_read(path: str) -> None:
    written = Journal(path, EPOCH, 10)
    written.write(b"eleven")
    assert read(path, 9) == {}
    assert read(path, 11) == {}


def test_a_journal_of_another_history_is_left_out(path: str) -> None:
    written = Journal(path, EPOCH, 0)
    written.write(b"one")
    assert read(path, epoch="another1") == {}
    assert journal.last_number(path, "another1") == 0


@pytest.mark.usefixtures("small")
def test_a_file_is_written_again_only_once_all_in_it_is_durable(path: str) -> None:
    written, sizes = Journal(path, EPOCH, 0), []
    for number, payload in enumerate(payloads(60), 1):
        written.write(payload)
        sizes.append(sum(file.stat().st_size for file in journal.paths(path) if file.exists()))
        if number == 30:
            assert read(path) == dict(enumerate(payloads(30), 1))  # nothing was overwritten, though the files are full
            written.durable = 30
        if number > 30 and written.wants_checkpoint:
            written.durable = number
        assert read(path, written.durable) == {
            known: data for known, data in enumerate(payloads(60), 1) if written.durable < known <= number
        }
    assert max(sizes[31:]) == sizes[30]


@pytest.mark.usefixtures("small")
def test_zeros_ahead_change_nothing_that_is_read(path: str) -> None:
    written = Journal(path, EPOCH, 0)
    for number, payload in enumerate(payloads(12), 1):
        written.write(payload)
        while written.wants_zeros:
            written.prepare()
        assert read(path) == dict(enumerate(payloads(number), 1))
    assert all(file.stat().st_size >= 2000 for file in journal.paths(path))


@pytest.mark.usefixtures("small")
def test_zeros_are_only_a_little_ahead(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits and all who share the disk would wait for more."""
    monkeypatch.setattr(journal, "STEP", 100)
    monkeypatch.setattr(journal, "AHEAD", 300)
    written, first, second = Journal(path, EPOCH, 0), *journal.paths(path)
    for number in range(1, 16):
        written.write(bytes(84))  # 100 bytes with its header
        steps = 0
        while written.wants_zeros:
            written.prepare()
            steps += 1
        end = 32 + 100 * number
        assert first.stat().st_size == min(end + 300, 2032)
        assert second.exists() == (end > 1000)
        assert steps <= 4 + 3 * (number == 10)
    assert second.stat().st_size == 332


@pytest.mark.usefixtures("small")
def test_scrubbing_leaves_nothing_and_writing_goes_on(path: str) -> None:
    written = Journal(path, EPOCH, 0)
    for payload in payloads(20):
        written.write(payload)
    written.durable = 19
    assert not written.scrub()
    assert read(path, 19) == {20: payloads(20)[19]}
    written.durable = 20
    assert written.scrub()
    left = b"".join(file.read_bytes() for file in journal.paths(path))
    assert not any(payload in left for payload in payloads(20) if len(payload) > 4)
    written.write(b"next")
    assert read(path, 20) == {21: b"next"}


def torn(data: bytes, older: bytes, start: int, chance: random.Random) -> Iterator[bytes]:
    """Images of a file whose last write, from `start` on, was cut short: any sectors of it, or its beginning."""
    sectors = range(start // 512 * 512, len(data), 512)
    for _ in range(10):
        image = bytearray(data)
        for sector in sectors:
            if chance.random() < 0.5:
                image[sector : sector + 512] = older[sector : sector + 512]
        yield bytes(image)
        cut = chance.randint(start, len(data))
        yield data[:cut] + older[cut:]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("equal", [False, True])
def test_a_torn_record_ends_the_journal_though_older_ones_follow(path: str, seed: int, *, equal: bool) -> None:
    chance = random.Random(seed)
    written = Journal(path, EPOCH, 0)
    texts = [b"x" * 200] * 80 if equal else payloads(80, seed)
    for number, payload in enumerate(texts[:-1], 1):
        written.write(payload)
        if written.wants_checkpoint:
            written.durable = number
    before = [file.read_bytes() for file in journal.paths(path)]
    written.write(texts[-1])
    for file, older in zip(journal.paths(path), before, strict=True):
        data = file.read_bytes()
        if data == older:
            continue
        older = older.ljust(len(data), b"\0")
        start = next(place for place in range(len(data)) if data[place] != older[place])
        for image in torn(data, older, start, chance):
            file.write_bytes(image)
            found = read(path, 79)
            assert found == ({80: texts[-1]} if image == data else {})
            assert read(path, written.durable).keys() >= set(range(written.durable + 1, 80))
        file.write_bytes(data)
    assert read(path, 79) == {80: texts[-1]}


def test_a_write_that_fails_leaves_its_number_to_the_next(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Journal(path, EPOCH, 0)
    written.write(b"one")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda file, data, at: 3)
        with pytest.raises(OSError, match="space"):
            written.write(b"lost")
    written.write(b"two")
    assert read(path) == {1: b"one", 2: b"two"}
