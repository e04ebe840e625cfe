"""The disk that loses its power, and what `strace` has to say."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.disk import SECTOR, File, Folder, Truncate, Write
from tests.faults.recording import Recording, Unreadable

TRIES = 1000
OLD, NEW = b"o" * 4 * SECTOR, b"n" * 4 * SECTOR


def images(file: File, at: int = 100) -> set[bytes]:
    return {file.image(at, random.Random(seed)) for seed in range(TRIES)}


def folders(folder: Folder, at: int = 100) -> set[tuple[str, ...]]:
    return {tuple(sorted(folder.image(at, random.Random(seed)))) for seed in range(TRIES)}


def test_what_was_synced_is_on_the_disk() -> None:
    file = File(OLD)
    file.add(Write(0, NEW, 1, 2))
    file.synced(3, 4)
    assert images(file) == images(file, 4) == {NEW}


def test_any_part_of_what_was_not_synced_may_be_on_the_disk() -> None:
    file = File(OLD)
    file.add(Write(0, NEW, 1, 2))
    found = images(file)
    assert {OLD, NEW, b"n" * SECTOR + b"o" * 3 * SECTOR, b"o" * 3 * SECTOR + b"n" * SECTOR} <= found
    assert all(
        image[at : at + SECTOR] in (OLD[:SECTOR], NEW[:SECTOR]) for image in found for at in range(0, len(OLD), SECTOR)
    )
    assert images(file, 0) == {OLD}


def test_a_sync_covers_only_what_had_ended_when_it_began_and_only_once_it_has_ended() -> None:
    file = File(OLD)
    file.add(Write(0, NEW, 1, 4))
    file.synced(3, 6)
    assert OLD in images(file, 10)
    file.synced(7, 9)
    assert OLD in images(file, 8)
    assert images(file, 9) == {NEW}


def test_a_truncation_may_be_lost_too() -> None:
    file = File(OLD)
    file.add(Truncate(SECTOR, 1, 1))
    assert images(file) == {OLD, OLD[:SECTOR]}


def test_a_file_may_grow_before_its_content_is_there() -> None:
    file = File()
    file.add(Write(0, NEW, 1, 1))
    assert bytes(3 * SECTOR) + b"n" * SECTOR in images(file)


def test_names_are_on_the_disk_once_the_folder_was_synced() -> None:
    folder = Folder({"kept": OLD, "gone": OLD})
    folder.create("new", 1, 1)
    folder.remove("gone", 2, 2)
    folder.rename("kept", "renamed", 3, 3)
    possible = folders(folder)
    assert {("gone", "kept"), ("new", "renamed"), ("gone", "kept", "new")} <= possible
    folder.synced(4, 5)
    assert folders(folder) == {("new", "renamed")}


def hexadecimal(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode("latin-1"))


def record(tmp_path: Path, *lines: str) -> Recording:
    """A recording of lines in which PATH is a file of the folder, FOLDER the folder, and 'text' is a text."""
    trace = tmp_path / "trace"
    path, folder = hexadecimal(f"{tmp_path}/chat.db"), hexadecimal(str(tmp_path))
    parts = "\n".join(lines).replace("PATH", path).replace("FOLDER", folder).split("'")
    parts[1::2] = [f'"{hexadecimal(text)}"' for text in parts[1::2]]
    trace.write_text("".join(parts) + "\n")
    return Recording(trace, tmp_path, {"chat.db": b"old"})


def test_a_recording_is_replayed_with_the_calls_of_several_threads(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        "1 pwrite64(3<PATH>, 'one', 3, 0) = 3",
        "2 fdatasync(3<PATH> <unfinished ...>",
        "1 pwritev(3<PATH>, [{iov_base='tw', iov_len=2}, {iov_base='o', iov_len=1}], 2, 3) = 3",
        "2 <... fdatasync resumed>)   = 0",
        "1 +++ exited with 0 +++",
    )
    (file,) = recording.folder.files.values()
    assert images(file, 3) == {b"one", b"onetwo"}
    assert images(file, 2) == {b"old", b"one", b"onetwo", b"oldtwo"}
    assert sorted(recording.moments) == [0, 1, 2, 3]


def test_a_recording_has_what_was_told(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        "1 sendto(5<socket:[9]>, 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 36, 0, NULL, 0) = 36",
        """1 sendto(5<socket:[9]>, '\x81\x0b{"t":"', 8, 0, NULL, 0) = 8""",
        """1 sendto(5<socket:[9]>, 'ack"}\x81\x02{}', 9, 0, NULL, 0) = 9""",
    )
    assert [(told.at, told.frame) for told in recording.told] == [(2, {"t": "ack"}), (2, {})]


@pytest.mark.parametrize(
    "line",
    [
        "1 write(3<PATH>, 'one', 3) = 3",
        "1 pwrite64(3<PATH>, 'one'..., 3, 0) = 3",
        "1 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3<PATH>, 0) = 0x7f0000000000",
        "nonsense",
    ],
)
def test_a_recording_that_can_not_be_replayed_is_an_error(tmp_path: Path, line: str) -> None:
    with pytest.raises(Unreadable):
        record(tmp_path, line)
