"""Affine maps of SGD's blocks: what one pass makes of the rows."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.data.arrays import ArrayRows
from fastgd.engine.blocks import block_rows
from fastgd.solver.maps import read_maps
from fastgd.solver.statistics import read_statistics
from tests.conftest import JIT_IS_OFF
from tests.problems import linear_problem


@pytest.mark.parametrize("d", [1, 3, 10])
def test_maps_carry_the_statistics_of_their_rows(rng, d):
    X, y, w_ref = linear_problem(rng, 200 if JIT_IS_OFF else 20_000, d)
    maps = read_maps(ArrayRows(X, y), w_ref, [1e-3], 2)
    direct = read_statistics(ArrayRows(X, y), w_ref, 2)
    np.testing.assert_allclose(maps.statistics.G, direct.G, rtol=1e-14, atol=1e-13 * len(y))
    np.testing.assert_allclose(maps.statistics.c, direct.c, rtol=0, atol=1e-13 * len(y))
    assert maps.statistics.s == pytest.approx(direct.s, rel=1e-14)
    ends = [*range(block_rows(d) - 1, len(y) - 1, block_rows(d)), len(y) - 1]
    np.testing.assert_array_equal(maps.last_x, X[ends])
    np.testing.assert_array_equal(maps.last_y, y[ends])
