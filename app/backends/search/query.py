"""Queries: the terms in the words of a search, and which texts they match.

A text is read in two ways, with its identifiers whole and split at case changes. A term matches if it is in one of the
two. Both have one blank between two units and around all of them, so each comparison is a search for one string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.backends.search.tokens import BREAK, PART, align, broken, canonical, fold, units

MAX_MARKS = 100
"""The most hits that are marked in one text."""
MARKED = 4096
"""Hits are marked in so many characters at the start of a text: each takes some microseconds."""
_chunk = re.compile(r'"([^"]*)"(\*?)|([^\s"]+)')
_quotes = str.maketrans("\0“”„‟«»", ' """"""')
RUN, WORD, EMOJI = range(3)


@dataclass(frozen=True, slots=True)
class Term:
    """A term: its units, each with its kind, whether the last one is the start of a word, and whether it is in quotes.

    A term is loose if it may be anywhere in a text, and not just where its words begin and end.
    """

    units: tuple[tuple[int, str], ...]
    prefix: bool = False
    quoted: bool = False

    @property
    def loose(self) -> bool:
        if len(self.units) > 1:
            return False
        kind, text = self.units[0]
        return kind != WORD or (len(text) >= PART and not self.quoted and not self.prefix)

    @property
    def needle(self) -> str:
        """What is in a reading of the texts that the term matches."""
        text = " ".join(text for _, text in self.units)
        if self.loose:
            return text
        before = " " if self.units[0][0] == WORD else ""
        after = " " if self.units[-1][0] == WORD and not self.prefix else ""
        return before + text + after


def parse(words: str) -> list[Term]:
    """The terms of a search, each once."""
    terms: dict[Term, None] = {}
    for quoted, star, word in _chunk.findall(words.translate(_quotes)):
        if term := _term(quoted or word, prefix=bool(star) or word.endswith("*"), quoted=bool(quoted)):
            terms[term] = None
    return list(terms)


def _term(text: str, *, prefix: bool, quoted: bool) -> Term | None:
    found = tuple(
        (WORD, word) if word else (RUN, run) if run else (EMOJI, emoji)
        for run, word, emoji in units(fold(text.replace(BREAK, " ")))
    )
    if not found:
        return None
    return Term(found, prefix and found[-1][0] == WORD, quoted)


class Matcher:
    """Compares texts with terms, all of which must match."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self.loose = [term.needle for term in terms if term.loose]
        self.strict = [term.needle for term in terms if not term.loose]

    def matches(self, text: str) -> bool:
        """Whether a text has all of the terms."""
        folded = fold(text)
        if not all(needle in folded for needle in self.loose):
            return False
        if not self.strict:
            return True
        reading = canonical(fold(broken(text)))
        whole, split = reading.replace(BREAK, ""), reading.replace(BREAK, " ")
        return all(needle in whole or needle in split for needle in self.strict)

    def marks(self, text: str) -> list[tuple[int, int]]:
        """The start and end of each hit in the first MARKED characters of a text, in code points. Hits that touch are
        one."""
        text = text[:MARKED]
        if text.isascii() and not self.strict and not any(" " in needle for needle in self.loose):
            folded = fold(text)  # each character stays where it is
            return _merged(sorted(span for needle in self.loose for span in _hits(folded, needle)))[:MAX_MARKS]
        reading, origins = align(text)
        kept = [index for index, sign in enumerate(reading) if sign != BREAK]
        whole, split = "".join(reading[index] for index in kept), reading.replace(BREAK, " ")
        spans = {
            (origins[kept[start]][0], origins[kept[end - 1]][1])
            for needle in (*self.loose, *self.strict)
            for start, end in _hits(whole, needle)
        }
        spans |= {
            (origins[start][0], origins[end - 1][1]) for needle in self.strict for start, end in _hits(split, needle)
        }
        return _merged(sorted(spans))[:MAX_MARKS]


def _hits(reading: str, needle: str) -> Iterator[tuple[int, int]]:
    """Where a needle is in a reading, without the blanks around it."""
    start = reading.find(needle)
    while start >= 0:
        end = start + len(needle)
        yield start + needle.startswith(" "), end - needle.endswith(" ")
        start = reading.find(needle, max(start + 1, end - needle.endswith(" ")))


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
