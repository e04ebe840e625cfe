"""Documents that are made together with what they mean. `python -m benchmarks.hocon` makes many more of them."""

from __future__ import annotations

from benchmarks.hocon.checking import check_damaged, check_documents


def test_a_document_means_what_it_was_made_to_mean() -> None:
    assert check_documents(300, chance=False) >= 300


def test_a_damaged_document_is_read_or_refused_in_one_line() -> None:
    assert check_damaged(300, chance=False) >= 300
