"""What a server process did to its files and sent to its clients, in order, as `strace` saw it.

An entry is a line of the recording. A call that another thread interrupted has two, for its beginning and its end.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.load.frames import TEXT, frame_at
from tests.faults.disk import Folder, Truncate, Write

WRITES = "write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,ftruncate,truncate,fallocate,copy_file_range,sendfile"
CALLS = f"{WRITES},fsync,fdatasync,sync_file_range,open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,mmap"
STRACE = f"strace -D -f --seccomp-bpf -y -xx -s 99999999 -e signal=none -e trace={CALLS} -o"
"""The command, before the name of the recording and the command to run. With `-D` the server has the process id and the
exit code; `strace` itself ends soon after it, and holds the server's stderr open until then."""

_LINE = re.compile(rb"(\d+) +(<\.\.\. \w+ resumed>)?(.*)", re.S)
_UNFINISHED = b" <unfinished ...>"
_CALL = re.compile(rb"(\w+)\((.*)\) += (-?\d+|\?|0x[0-9a-f]+)(?:<.*>(?:\(deleted\))?)?(?: .*)?", re.S)
_TEXT = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_FILE = re.compile(rb"(\d+|AT_FDCWD)<([^<>]*)>(\(deleted\))?")
_SOCKET = re.compile(r"(?:socket|TCP):")
_UNKNOWN = {"write", "writev", "pwritev2", "copy_file_range", "sendfile", "truncate"}
"""Calls that this module can't replay on a file. `sync_file_range` needs no replay: it promises nothing."""


class Unreadable(Exception):
    """The recording has something that this module can't replay."""


@dataclass(frozen=True, slots=True)
class Told:
    """A frame that the server sent. `at` is the entry at which it began to send the end of it."""

    at: int
    connection: str
    frame: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Call:
    name: str
    arguments: bytes
    result: int
    began: int
    ended: int

    @property
    def file(self) -> str:
        """The path of the file, or the name of the socket, of the call's first argument; empty for none."""
        match = _FILE.match(self.arguments)
        return "" if match is None or match[3] else _decode(match[2]).decode(errors="surrogateescape")

    @property
    def texts(self) -> list[bytes]:
        """The texts among the arguments."""
        found = _TEXT.findall(self.arguments)
        if any(cut for _, cut in found):
            raise Unreadable(f"a text was cut short: {self.arguments[:200]!r}")
        return [_decode(text) for text, _ in found]

    @property
    def numbers(self) -> list[int]:
        """The numbers that end the arguments."""
        return [int(number) for number in re.findall(rb", (-?\d+)(?=[,)]|$)", self.arguments)]


class Recording:
    """The recording in `trace` of a server whose store is in `folder`, which had the files `before`.

    `moments` has the entries at which something was done to a file of the folder, or an answer was sent.
    """

    def __init__(self, trace: Path, folder: Path, before: Mapping[str, bytes]) -> None:
        self.folder = Folder(before)
        self.told: list[Told] = []
        self.moments: list[int] = []
        self._path = str(folder.resolve())
        self._streams: defaultdict[str, bytearray] = defaultdict(bytearray)
        self._upgraded: set[str] = set()
        self._durable: set[str] = set()
        for call in _calls(trace):
            if call.result >= 0:
                self._replay(call)

    def stages(self) -> tuple[list[int], list[int], list[int]]:
        """The moments before the first message was acknowledged, up to the last one, and after it."""
        acks = [told.at for told in self.told if told.frame["t"] == "ack"]
        first, last = min(acks), max(acks)
        before = [at for at in self.moments if at < first]
        return before, [at for at in self.moments if first <= at <= last], [at for at in self.moments if at > last]

    def _name(self, path: str) -> str:
        """The name of a file in the folder; empty for one elsewhere."""
        parent, _, name = path.rpartition("/")
        return name if parent == self._path and not name.endswith("-shm") else ""

    def _replay(self, call: _Call) -> None:
        file = call.file
        if _SOCKET.match(file):
            if call.name in ("write", "writev", "sendto", "sendmsg"):
                self._send(file, call)
        elif call.name in ("open", "openat", "creat", "rename", "renameat", "renameat2", "unlink", "unlinkat"):
            paths = [text.decode(errors="surrogateescape") for text in call.texts]
            names = [self._name(path) for path in paths]
            if any(names):
                self._change_names(call, names)
                self._mark(call)
        elif file == self._path and call.name in ("fsync", "fdatasync"):
            self.folder.synced(call.began, call.ended)
            self._mark(call)
        elif name := self._name(file):
            self._change_file(call, name)
            self._mark(call)
        elif call.name == "mmap" and b"MAP_SHARED" in call.arguments and b"PROT_WRITE" in call.arguments:
            mapped = _FILE.search(call.arguments)
            if mapped and self._name(_decode(mapped[2]).decode(errors="surrogateescape")):
                raise Unreadable("a file of the store is written through memory")

    def _mark(self, call: _Call) -> None:
        self.moments += sorted({call.began, call.ended})

    def _change_names(self, call: _Call, names: list[str]) -> None:
        began, ended = call.began, call.ended
        if call.name.startswith("unlink"):
            self.folder.remove(names[0], began, ended)
        elif call.name.startswith("rename"):
            if not all(names):
                raise Unreadable("a file of the store is moved between folders")
            self.folder.rename(names[0], names[1], began, ended)
        else:
            flags = set(re.findall(rb"O_\w+", call.arguments))
            if names[0] not in self.folder.files:
                if flags & {b"O_PATH", b"O_DIRECTORY", b"O_TMPFILE"} or b"O_CREAT" not in flags:
                    raise Unreadable(f"{names[0]} was opened, and is not known")
                self.folder.create(names[0], began, ended)
            if b"O_TRUNC" in flags:
                self.folder.files[names[0]].add(Truncate(0, began, ended))
            if flags & {b"O_SYNC", b"O_DSYNC"}:
                self._durable.add(names[0])

    def _change_file(self, call: _Call, name: str) -> None:
        file, began, ended = self.folder.files[name], call.began, call.ended
        durable = name in self._durable
        if call.name in ("pwrite64", "pwritev"):
            file.add(Write(call.numbers[-1], b"".join(call.texts)[: call.result], began, ended), durable=durable)
        elif call.name == "ftruncate":
            file.add(Truncate(call.numbers[-1], began, ended), durable=durable)
        elif call.name == "fallocate":
            if b"FALLOC_FL" not in call.arguments:
                file.add(Truncate(sum(call.numbers[-2:]), began, ended, shrinks=False), durable=durable)
            elif b"FALLOC_FL_KEEP_SIZE," not in call.arguments:
                raise Unreadable(f"{name}: this kind of fallocate is not known")
        elif call.name in ("fsync", "fdatasync"):
            file.synced(began, ended)
        elif call.name in _UNKNOWN:
            raise Unreadable(f"{name} is written with {call.name}")

    def _send(self, connection: str, call: _Call) -> None:
        """Note the frames that this ends."""
        stream = self._streams[connection]
        stream += b"".join(call.texts)[: call.result]
        if connection not in self._upgraded:
            head, end, rest = bytes(stream).partition(b"\r\n\r\n")
            if not end or not head.startswith(b"HTTP/1.1 101"):
                return
            self._upgraded.add(connection)
            stream[:] = rest
        at = 0
        while (found := frame_at(bytes(stream), at)) is not None:
            opcode, start, at = found
            if opcode == TEXT:
                self.told.append(Told(call.began, connection, json.loads(stream[start:at])))
                self.moments.append(call.began)
        del stream[:at]


def _calls(trace: Path) -> Iterator[_Call]:
    """Yield the calls of a recording, in the order in which they began."""
    calls: list[_Call] = []
    unfinished: dict[bytes, tuple[int, bytes]] = {}
    with trace.open("rb") as lines:
        for number, line in enumerate(lines):
            match = _LINE.fullmatch(line.rstrip(b"\n"))
            if match is None:
                raise Unreadable(f"line {number + 1}: {line[:200]!r}")
            thread, resumed, text = match.groups()
            if text.endswith(_UNFINISHED):
                unfinished[thread] = number, text.removesuffix(_UNFINISHED)
                continue
            began = number
            if resumed:
                began, start = unfinished.pop(thread)
                text = start + text
            elif text.startswith((b"+++", b"---")):
                continue
            call = _CALL.fullmatch(text)
            if call is None:
                raise Unreadable(f"line {number + 1}: {text[:200]!r}")
            result = -1 if call[3] == b"?" else int(call[3], 0)
            calls.append(_Call(call[1].decode(), call[2], result, began, number))
    yield from sorted(calls, key=lambda call: call.began)


def _decode(text: bytes) -> bytes:
    """Decode what `strace -xx` printed."""
    return bytes.fromhex(text.replace(b"\\x", b"").decode()) if text.startswith(b"\\x") else text
