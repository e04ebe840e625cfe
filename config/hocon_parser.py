"""Parses HOCON text into statements.

Nearly every file has a statement on each line, and is parsed line by line. Only others need a parser for all of HOCON,
whose import alone takes longer than the rest of a start.
"""

from __future__ import annotations

from functools import lru_cache

from config.hocon_lines import parse_lines
from config.hocon_statements import Block


@lru_cache(maxsize=16)  # tests make hundreds of applications with the same file
def parse(text: str, place: str) -> Block:
    """Parse a HOCON text. `place` is its name in errors. ConfigurationError if it isn't HOCON."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    block = parse_lines(text)
    if block is None:
        from config.hocon_grammar import parse_text

        block = parse_text(text, place)
    return block
