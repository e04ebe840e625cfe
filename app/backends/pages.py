"""Clearing the unused parts of SQLite's pages, which `secure_delete` leaves out.

SQLite zeroes what it deletes, but where it shares out the rows of a page anew it leaves copies of the moved ones in the
gap between the page's table of cells and the cells; when such a row is deleted later its copy stays (measured: of 1,000
deleted texts about one). The gap has no meaning, so it may be zeroed in the file while the journal is empty and
SQLite has no page in its cache. See "B-tree Pages" in https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import os
import struct
from mmap import ACCESS_READ, mmap

FILE_HEADER = 100
PAGE_SIZE = struct.Struct(">16xH")
HEADER = struct.Struct(">B2xHH")
"""Of a page of a b-tree: its kind, the number of its cells, and where they begin."""
INNER, LEAF = (2, 5), (10, 13)
"""The kinds of pages: of an index, of a table. Any other page begins with the number of a page, and so with 0 or 1 in a
file of less than 128 GiB."""
MAX_SIZE = 1 << 37


def zero_gaps(file: int) -> None:
    """Zero what no cell takes up in the pages of the database that is open as `file`."""
    size = os.fstat(file).st_size
    if not FILE_HEADER < size < MAX_SIZE:
        return
    with mmap(file, size, access=ACCESS_READ) as pages:
        (page_size,) = PAGE_SIZE.unpack_from(pages)
        if page_size == 1:  # how the header says it
            page_size = 1 << 16
        for page in range(0, size, page_size):
            header = page or FILE_HEADER
            kind, cells, content = HEADER.unpack_from(pages, header)
            if kind in LEAF or kind in INNER:
                gap = header + (8 if kind in LEAF else 12) + 2 * cells
                end = page + (content or 1 << 16)
                if gap < end <= page + page_size and pages[gap:end].count(0) < end - gap:
                    os.pwrite(file, bytes(end - gap), gap)
    os.fsync(file)
