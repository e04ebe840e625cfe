"""Page numbers of searches over several logs."""

from __future__ import annotations

import random
from itertools import pairwise

from app.backends.search.page_numbers import PageNumbers


def test_a_sealed_number_opens_and_is_a_number_in_json() -> None:
    numbers, chance = PageNumbers(), random.Random(1)
    for pos in [*range(1, 300), *(chance.randrange(1, 2**52) for _ in range(300))]:
        sealed = numbers.seal(pos)
        assert 0 <= sealed < 2**53
        assert numbers.open(sealed) == pos
    assert numbers.seal(0) == 0


def test_sealed_numbers_say_nothing_of_how_far_apart_they_are() -> None:
    numbers = PageNumbers()
    sealed = [numbers.seal(pos) for pos in range(1, 1001)]
    assert len(set(sealed)) == 1000
    rises = sum(later > earlier for earlier, later in pairwise(sealed))
    assert 400 < rises < 600
    assert sealed != [PageNumbers().seal(pos) for pos in range(1, 1001)]


def test_positions_after_all_others_stay_so() -> None:
    assert PageNumbers().open(2**62) == 2**62
    assert PageNumbers().open(2**53 - 1) == 2**53 - 1
