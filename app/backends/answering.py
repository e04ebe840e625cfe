"""Answers: those who wait for a change learn what has become of it, each in its event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from app.backends.sequencing import Entry
from app.chat.events import Appended, Draft

log = logging.getLogger("store")


def settle(entries: Iterable[Entry]) -> None:
    """Give those who wait for these entries their answers, each in its event loop."""
    by_loop: dict[Any, list[Entry]] = {}
    for entry in entries:
        if entry.waiter is not None:
            by_loop.setdefault(entry.loop, []).append(entry)
    running = running_loop()
    for loop, own in by_loop.items():
        if loop is running:
            _settle_all(own)
        else:
            _call(loop, _settle_all, own)


def _settle_all(entries: Sequence[Entry]) -> None:
    for entry in entries:
        waiter, answer = entry.waiter, entry.answer
        is_draft = type(entry.change) is Draft
        if isinstance(waiter, asyncio.Future):
            if waiter.done():
                continue
            if isinstance(answer, Exception):
                waiter.set_exception(answer)
            else:
                waiter.set_result(Appended(entry.stored_event, duplicate=entry.duplicate) if is_draft else answer)
        else:
            tell(entry)


def tell(entry: Entry) -> None:
    """Tell an Origin what has become of its draft. If that fails, it concerns nobody else."""
    try:
        if isinstance(entry.answer, Exception):
            entry.waiter.failed(entry.answer, entry.change)
        else:
            entry.waiter.stored(entry.stored_event, duplicate=entry.duplicate)
    except Exception:
        log.exception("The sender of a message could not be told what became of it")


def _call(loop: asyncio.AbstractEventLoop, act: Callable[[Sequence[Entry]], None], entries: Sequence[Entry]) -> None:
    with suppress(RuntimeError):  # the loop is closed, so nobody waits in it
        loop.call_soon_threadsafe(act, entries)


def running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
