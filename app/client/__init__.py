"""A chat as a library: for bots, scripts, tests, and the program in the terminal.

    async with connect("ws://localhost:8080/chat", name="bot") as chat:
        await chat.join("ops")
        await chat.send("hello", room="ops")
        async for event in chat:
            ...

See `Chat` for what is ordered and what is done once, `app.client.errors` for what can go wrong, `app.client.events` and
`app.chat.frames` for what one hears.
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
