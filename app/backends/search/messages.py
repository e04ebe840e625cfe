"""What the server and the search process say to each other."""

from __future__ import annotations

from msgspec import Struct

from app.backends.search import Found, Query


class Ask(Struct, array_like=True, tag="ask"):
    """To the process: search. The answer, Answer or Failure, has the same id."""

    id: int
    query: Query


class Wake(Struct, array_like=True, tag="wake"):
    """To the process: the store has applied everything up to position `pos`, and there may be something to forget."""

    pos: int


class Answer(Struct, array_like=True, tag="answer"):
    """From the process: what a search found."""

    id: int
    found: Found


class Failure(Struct, array_like=True, tag="failure"):
    """From the process: why a search failed, in one line. `wrong` if the query is to blame."""

    id: int
    text: str
    wrong: bool = False


class Dropped(Struct, array_like=True, tag="dropped"):
    """From the process: what the rows of `forgotten` up to this id say has left the index and its files for good."""

    forgotten: int


class Note(Struct, array_like=True, tag="note"):
    """From the process: a line for the log, with its level."""

    level: int
    text: str


Request = Ask | Wake
Report = Answer | Failure | Dropped | Note
