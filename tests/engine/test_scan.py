"""Blocks taken in order."""

from __future__ import annotations

import numpy as np

from fastgd.data.arrays import ArrayRows
from fastgd.engine import scan


def test_scan_goes_in_order(many):
    rows = ArrayRows(np.arange(many, dtype=np.int32), np.zeros(many))  # converted: many runs
    seen = []
    scan.scan(rows, lambda start, X, y, weights: seen.append((start, float(X[0, 0]), len(y))))
    assert [start for start, _, _ in seen] == sorted({start for start, _, _ in seen})
    assert all(start == first for start, first, _ in seen)
    assert sum(length for _, _, length in seen) == many
