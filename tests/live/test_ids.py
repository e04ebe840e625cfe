"""The ids of events."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from app.live.ids import new_id
from tests.clients import ROOT


def test_ids_are_random_and_differ_in_all_threads() -> None:
    with ThreadPoolExecutor(4) as threads:
        ids = [one for many in threads.map(lambda _: [new_id() for _ in range(3000)], range(8)) for one in many]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[A-Za-z0-9_-]{16}", one) for one in ids)
    assert len({one[:4] for one in ids}) > len(ids) // 2, "two that follow each other have nothing in common"


FORK = """
import os
from app.live.ids import new_id

new_id()
child = os.fork()
print(*(new_id() for _ in range(100)), flush=True)
if child:
    os.waitpid(child, 0)
"""


def test_a_process_that_was_forked_has_ids_of_its_own() -> None:
    ids = subprocess.run([sys.executable, "-c", FORK], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert len(set(ids.split())) == 200
