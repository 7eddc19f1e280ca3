"""The order in which SGD takes the rows: in order, with blocks shuffled, or with all rows shuffled.

An order depends on the seed and the epoch alone: not on threads, earlier epochs, or the number of epochs. Its
random words come from NumPy's Philox generator with the seed as key and the epoch in the counter. Kernels get
the order as data.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd import checks, reference

Shuffle = Literal["blocks"] | bool
SHUFFLES: tuple[Shuffle, ...] = (False, "blocks", True)
PILES, PILE_ROWS = 256, 1024
COUNTED = 1 << 22
"""Rows whose piles are counted at a time. NumPy copies them to eight times the size, and cannot be
interrupted."""
WORDS_OF_AN_EPOCH = 1 << 64

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Order:
    """The kind of shuffling and its seed."""

    shuffle: Shuffle
    seed: int

    def rows(self, epoch: int, n: int) -> Numbers:
        """A uniform permutation of n rows for this epoch.

        The permutation is the only memory it takes, except one byte for each row. Many rows are dealt at
        random into piles that fit in the cache, and each pile is shuffled (Rao, Sankhyā A 23, 1961;
        Sandelius, J. Royal Statistical Society B 24, 1962).
        """
        words = self._words(epoch)
        if n <= PILES * PILE_ROWS:
            return _shuffled(np.arange(n), words)
        piles = words.random_raw(-(-n // 8)).view(np.uint8)[:n]
        parts = (piles[at : at + COUNTED] for at in range(0, n, COUNTED))
        ends = np.cumsum(sum(np.bincount(part, minlength=PILES) for part in parts))
        numbers = _dealt(piles, ends)
        for pile in np.split(numbers, ends[:-1]):
            _shuffled(pile, words)
        return numbers

    def blocks(self, epochs: range, n_blocks: int) -> Numbers:
        """The order of the blocks in each epoch, (n_epochs, n_blocks). Rows within a block keep their
        order."""
        orders = np.empty((len(epochs), n_blocks), np.int64)
        orders[:] = np.arange(n_blocks)
        if self.shuffle == "blocks" and epochs:
            words = self._words(epochs[0])
            for order in orders:
                _shuffled(order, words)
                words.advance(WORDS_OF_AN_EPOCH - -(-n_blocks // 4))
        return orders

    def indices(self, epoch: int, n: int, block_rows: int) -> Numbers:
        """The row number of each step of this epoch."""
        if self.shuffle is True:
            return self.rows(epoch, n)
        starts = self.blocks(range(epoch, epoch + 1), -(-n // block_rows))[0] * block_rows
        return np.concatenate([np.arange(start, min(start + block_rows, n)) for start in starts])

    def _words(self, epoch: int) -> np.random.Philox:
        """Philox(key=seed, counter=epoch·2⁶⁴). The generator is reused, since making one reads system
        entropy."""
        if not hasattr(_own, "words"):
            _own.words = np.random.Philox(key=0)
            _own.fresh = _own.words.state
        words: np.random.Philox = _own.words
        counter = np.array([0, epoch, 0, 0], np.uint64)
        words.state = _own.fresh | {"state": {"counter": counter, "key": np.array([self.seed, 0], np.uint64)}}
        return words


IN_ORDER = Order(False, 0)
_own = threading.local()


def _shuffled(numbers: Numbers, words: np.random.Philox) -> Numbers:
    """Shuffle the numbers in place, with one random word for each."""
    random = words.random_raw(len(numbers))
    try:
        from fastgd.kernels import shuffling
    except ModuleNotFoundError:  # without Numba
        numbers[:] = reference.shuffle(numbers.tolist(), random.tolist())
    else:
        shuffling.shuffle(numbers, random)
    return numbers


def _dealt(piles: NDArray[np.uint8], ends: Numbers) -> Numbers:
    """The row numbers sorted by pile. The sort is stable."""
    try:
        from fastgd.kernels import shuffling
    except ModuleNotFoundError:  # without Numba
        return np.argsort(piles, kind="stable")
    numbers = np.empty(len(piles), np.int64)
    shuffling.deal(piles, np.concatenate([[0], ends[:-1]]), numbers)
    return numbers


def as_order(shuffle: Any, seed: Any) -> Order:
    """The order for the arguments `shuffle` and `seed`. Without a seed one is drawn from system entropy."""
    if shuffle is False and seed is None:
        return IN_ORDER
    checks.choice("shuffle", shuffle, SHUFFLES)
    if seed is not None:
        seed = checks.whole("seed", seed, 0, 2**64 - 1)
    if shuffle is False:
        return IN_ORDER
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    return Order(shuffle, seed)
