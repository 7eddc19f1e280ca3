"""The compiled shuffle and the dealing of rows into piles, against their twins."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd import reference
from fastgd.kernels import shuffling


@pytest.mark.parametrize("n", [0, 1, 2, 3, 100])
def test_a_shuffle_is_that_of_the_plain_loop(rng, n):
    words = rng.integers(0, 1 << 64, size=n, dtype=np.uint64)
    numbers = np.arange(n)
    shuffling.shuffle(numbers, words)
    assert numbers.tolist() == reference.shuffle(list(range(n)), words.tolist())
    assert sorted(numbers.tolist()) == list(range(n))


@pytest.mark.parametrize(("word", "expected"), [(0, [1, 2, 0]), ((1 << 64) - 1, [0, 1, 2])])
def test_the_least_and_the_largest_word(word, expected):
    """The least word exchanges a number with the first one, the largest word with itself."""
    numbers = np.arange(3)
    shuffling.shuffle(numbers, np.full(3, word, np.uint64))
    assert numbers.tolist() == expected


def test_piles_are_dealt_in_order_of_their_rows(rng):
    piles = rng.integers(0, 5, size=200)
    places = np.concatenate([[0], np.cumsum(np.bincount(piles, minlength=5))[:-1]])
    numbers = np.empty(200, np.int64)
    shuffling.deal(piles, places, numbers)
    np.testing.assert_array_equal(numbers, np.argsort(piles, kind="stable"))
