"""The common log as the release of each level wrote it, and the digests that copies of it had.

`log-1.json` in `tests/backends/samples` is of the first release with nodes. Every later one must come to the same. When
a level is added, run `python -m tests.nats.recorded` to add the log of the new one; never make an old one again.
"""

from __future__ import annotations

import random
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import json

from app.backends import changes, machine
from app.backends.digest import Chain
from app.backends.nats.batches import LEVEL, Batch, Runs, decode, encode
from app.backends.sequencing import Entry, Sequencer, together
from app.backends.statements.rows import transaction
from tests.backends.test_machine import digest, new_store, sequence

SAMPLES = Path(__file__).parents[1] / "backends" / "samples"


def read(level: int) -> dict[str, Any]:
    found: dict[str, Any] = json.decode((SAMPLES / f"log-{level}.json").read_bytes())
    return found


def apply(connection: sqlite3.Connection, payloads: Sequence[bytes], *, at_once: int) -> dict[int, str]:
    """Apply a log, so many batches in a transaction. Return the digests."""
    sequencer, runs, chain = Sequencer(connection), Runs(connection), Chain(connection)
    positions = list(enumerate(payloads, 1))
    digests = dict[int, str]()
    while positions:
        applied = []
        with transaction(connection):
            for position, payload in positions[:at_once]:
                batch = decode(payload)
                numbered = runs.count(batch, position)
                if numbered is not None:
                    entries = [Entry(change) for change in [*batch.changes, numbered]]
                    machine.run(connection, sequencer, entries, position)
                    applied.append((position, entries))
            marks = chain.write(connection, applied)
        chain.note(marks)
        digests |= {position: digest.hex() for position, digest in marks}
        positions = positions[at_once:]
    return digests


def _made() -> Iterator[bytes]:
    """A log of three runs, in which some batches come twice, too early, or with nothing."""
    chance = random.Random(19)
    said = [change for seed in range(3) for change in sequence(seed) if type(change) is not changes.Numbered]
    numbers, early = {b"run-%d" % run: 0 for run in range(3)}, list[bytes]()
    while said:
        run = chance.choice(list(numbers))
        numbers[run] += 1
        size = together(said[: chance.choice([0, 1, 2, 9, 40])])
        yield (payload := encode(Batch(LEVEL, run, numbers[run], said[:size])))
        said = said[size:]
        what = chance.random()
        if what < 0.1:
            yield payload
        elif what < 0.2:
            yield encode(Batch(LEVEL, run, numbers[run] + 2, [changes.CreateUser(b"too early")]))
        elif early and what < 0.3:
            yield early.pop()
        else:
            early.append(payload)


def make(path: Path) -> None:
    payloads = list(_made())
    with closing(new_store()) as connection:
        digests = apply(connection, payloads, at_once=1)
        tables = digest(connection)
    log = [payload.hex() for payload in payloads]
    path.write_bytes(json.format(json.encode({"log": log, "digests": digests, "tables": tables}), indent=0) + b"\n")


if __name__ == "__main__":
    made = SAMPLES / f"log-{LEVEL}.json"
    if made.exists():
        sys.exit(f"{made} exists already, and a released level's log stays as it is")
    make(made)
