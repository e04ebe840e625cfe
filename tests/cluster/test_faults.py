"""Clusters on bad days, while clients move between the nodes: nothing is lost, doubled, reordered or leaked.

`make cluster-faults` does the same for longer.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.kinds import KINDS, Undisturbed
from tests.test_kill import keeps_its_promises, use, violations

TIMES = 2
BATCHES = 6
"""How many hundreds of messages are acknowledged until the clients of a wrong node are asked what they saw."""


def wrong(faults: str) -> str:
    """The command of a node with faults built in."""
    return f"{sys.executable} -m tests.cluster.wrong {faults}"


@pytest.mark.slow("cluster")
@pytest.mark.parametrize("kind", KINDS)
def test_a_disturbed_cluster_keeps_its_promises(kind: str, tmp_path: Path) -> None:
    chat = KINDS[kind].what(tmp_path, TIMES)
    clients, _ = keeps_its_promises(chat)
    assert chat.done == TIMES
    assert all(node.acks for node in chat.nodes)
    assert any(client.duplicates for client in clients)
    assert all(client.whispers for client in clients)
    assert chat.turned_away


@pytest.mark.slow("cluster")
def test_nothing_is_wrong_with_right_nodes_that_nobody_disturbs(tmp_path: Path) -> None:
    keeps_its_promises(Undisturbed(tmp_path, BATCHES, commands=(wrong("blind"), wrong("blind"))))


@pytest.mark.slow("cluster")
@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        ("skip", {"lost", "doubled"}),
        ("twice-as-new", {"doubled"}),
        ("early", {"doubled", "mismatched"}),
    ],
)
def test_a_node_with_a_fault_is_found_by_its_clients(fault: str, kinds: set[str], tmp_path: Path) -> None:
    chat = Undisturbed(tmp_path, BATCHES, commands=(wrong(f"{fault},blind"), wrong("blind")))
    with suppress(ExceptionGroup):  # someone waits in vain for what is lost
        use(chat)
    found = violations(chat)
    assert kinds <= {violation.partition(":")[0] for violation in found}, found[:20]


@pytest.mark.slow("cluster")
@pytest.mark.parametrize("fault", ["skip", "twice"])
def test_a_node_with_a_fault_is_found_by_the_nodes(fault: str, tmp_path: Path) -> None:
    chat = Undisturbed(tmp_path, 4 * BATCHES, commands=(wrong(fault), ""))
    with pytest.raises(ExceptionGroup) as failed:  # the node stops, so its clients are cut off
        use(chat)
    assert failed.group_contains(AssertionError)
    said = [line for node in chat.nodes for line in (*node.logs, *node.server.log)]
    assert any("is not what the log comes to on other nodes" in line for line in said)
