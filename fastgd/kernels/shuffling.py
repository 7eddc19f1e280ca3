"""Shuffling with given random words, and dealing rows into piles so that each pile fits in the cache."""

from __future__ import annotations

import numpy as np

from fastgd.kernels._jit import kernel


@kernel
def shuffle(numbers, words):
    """Fisher-Yates shuffle: for i from the last to 1, exchange numbers i and ⌊words[i] (i + 1)/2⁶⁴⌋."""
    half = np.uint64(32)
    low = np.uint64(0xFFFFFFFF)
    for i in range(len(numbers) - 1, 0, -1):
        word, many = words[i], np.uint64(i + 1)
        carry = ((word & low) * many) >> half
        j = np.int64(((word >> half) * many + carry) >> half)
        numbers[i], numbers[j] = numbers[j], numbers[i]


@kernel
def deal(piles, places, numbers):
    """numbers ← the rows of pile 0 in order, then of pile 1, …. places[p] is where pile p begins."""
    for row in range(len(piles)):
        pile = piles[row]
        numbers[places[pile]] = row
        places[pile] += 1
