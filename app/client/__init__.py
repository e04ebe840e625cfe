"""A chat client as a library, for bots, scripts and tests. `natter chat` is built on it.

    async with connect("ws://localhost:8080/chat", name="bot") as chat:
        await chat.join("ops")
        await chat.send("hello", room="ops")
        async for event in chat:
            ...

See `Chat` for what is ordered and what is stored once, `app.client.errors` for the errors, and `app.client.events` and
`app.chat.frames` for the events.
"""

from app.chat.frames import Ack, Changed, Joined, Message, Named, Parted, Presence
from app.client.chat import Chat, connect
from app.client.errors import (
    Banned,
    ChatError,
    Ended,
    Interrupted,
    NameTaken,
    NotAChat,
    Refused,
    TlsFailure,
    TurnedAway,
    Uncertain,
    Unreachable,
    Unsupported,
)
from app.client.events import Connected, Delayed, Disconnected, Event, Left, Line, Missed, NameRefused

__all__ = [
    "Ack",
    "Banned",
    "Changed",
    "Chat",
    "ChatError",
    "Connected",
    "Delayed",
    "Disconnected",
    "Ended",
    "Event",
    "Interrupted",
    "Joined",
    "Left",
    "Line",
    "Message",
    "Missed",
    "NameRefused",
    "NameTaken",
    "Named",
    "NotAChat",
    "Parted",
    "Presence",
    "Refused",
    "TlsFailure",
    "TurnedAway",
    "Uncertain",
    "Unreachable",
    "Unsupported",
    "connect",
]
