"""The random numbers of Philox, word by word."""

import math

import numpy as np
import pytest

from fastgd import reference
from fastgd.kernels import random


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_known_answers(counter, key, expected):
    """The vectors published with Random123 (kat_vectors)."""
    c, k, ref = ([int(word, 16) for word in text.split()] for text in (counter, key, expected))
    assert reference.philox(c, k) == ref

    words = np.empty((2, 1), np.uint64)
    block, seed = np.uint64(c[2] | c[3] << 32), np.uint64(k[0] | k[1] << 32)
    random.philox(c[0], np.uint64(c[1]), block, seed, words[0], words[1])
    assert words.ravel().tolist() == [ref[0] | ref[1] << 32, ref[2] | ref[3] << 32]


def test_the_ends_of_the_radius():
    """u = 2^-53 gives the largest number, u = 1 gives 0."""
    first_words = np.array([0, 2**64 - 1, 2**10], np.uint64)
    angles = np.zeros(3, np.uint64)  # an angle of about 0: the cosine takes the whole radius
    u, mantissa, exponent, x, y = np.empty((5, 3))
    random.uniforms(first_words, u)
    random.split(u.view(np.uint64), mantissa.view(np.uint64), exponent)
    random.box_muller(mantissa, exponent, angles, x, y)
    assert u.tolist() == [2.0**-53, 1.0, 2.0**-53]
    assert x[0] == pytest.approx(math.sqrt(2 * 53 * math.log(2)), rel=1e-15)
    assert x[1] == 0
    assert 0 < y[0] < 1e-14


@pytest.mark.parametrize("numbers", [2, 6, 2 * random.CHUNK + 6])
def test_blocks_are_filled_as_by_the_plain_loop(numbers):
    """Three blocks, the last one cut, with an odd count of numbers."""
    out = np.full(2 * numbers + 1, np.nan)
    random.fill(out, np.uint64(2**40 + 7), random.W_STREAM, np.uint64(3), numbers)
    blocks = [reference.normals(numbers, 2, block, 2**40 + 7) for block in (3, 4, 5)]
    assert out.tolist() == [*blocks[0], *blocks[1], blocks[2][0]]


@pytest.mark.parametrize("n", [1, 3, 4, 6])
@pytest.mark.parametrize("d", [1, 3])
def test_targets_by_hand(n, d):
    x, w = np.arange(1.0, n * d + 1).reshape(n, d), np.arange(1.0, d + 1)
    y, errors = np.empty(n), np.arange(n) - 1.0
    random.targets(x, w, 0.5, 0.25, errors, y)
    assert y.tolist() == [sum(row * w) + 0.5 + 0.25 * e for row, e in zip(x, errors, strict=True)]
    random.targets(x, w, 0.5, 0.25, np.empty(0), y)
    assert y.tolist() == [sum(row * w) + 0.5 for row in x]
