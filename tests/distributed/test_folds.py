"""Folds of rows on a cluster."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from tests.distributed.partitions import ROWS, put, random_cuts


@pytest.mark.parametrize("k", [2, 7, 64])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_folds_have_the_bits_of_arrays(client, data, rng, k, is_weighted):
    X, y = data
    weights = rng.integers(0, 3, ROWS).astype(float) if is_weighted else None
    here = fastgd.cross_validate(X, y, folds=k, sample_weight=weights, l2=[0.1, 1.0], fit_intercept=True)
    cuts = random_cuts(rng, ROWS)
    there_X, there_y, there_weights = (
        None if values is None else put(client, values, cuts) for values in (X, y, weights)
    )
    there = fastgd.cross_validate(
        there_X, there_y, folds=k, sample_weight=there_weights, l2=[0.1, 1.0], fit_intercept=True
    )
    assert there.costs.tobytes() == here.costs.tobytes()
    assert there.best_fit.w.tobytes() == here.best_fit.w.tobytes()
    assert np.isfinite(here.costs).all()
