"""Pages of history as people read them: an edit or a deletion is shown by the message that it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.chat.events import Kind
from app.chat.frames import MAX_PAGE, Changed, History, Message, Page

if TYPE_CHECKING:
    from app.client.chat import Chat

MAX_PAGES = 20
"""Pages that are read for one, from a server that sends edits too."""


async def read_history(chat: Chat, command: History, *, only_messages: bool = False) -> Page:
    """The newest events before a position, as many as were asked for, without edits and deletions: an older server, or
    one whose frames would be too large, sends them in several pages."""
    events: list[Message | Changed] = []
    before, limit, more = command.before, command.limit, False
    for _ in range(MAX_PAGES):
        page: Page = await chat.ask(History(room=command.room, before=before, limit=limit, fold=True))
        events = [*(event for event in page.events if not _is_left_out(event, only_messages)), *events]
        more = page.more
        if len(events) >= command.limit or not more or not page.events:
            break
        before, limit = page.events[0].seq, MAX_PAGE
    return Page(room=command.room, events=events[-command.limit :], more=more or len(events) > command.limit)


def _is_left_out(event: Message | Changed, only_messages: bool) -> bool:  # noqa: FBT001
    return isinstance(event, Changed) and (only_messages or event.t in (Kind.EDIT, Kind.DELETE))
