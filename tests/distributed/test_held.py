"""The grid on which workers hold rows."""

from __future__ import annotations

from fastgd.distributed.held import aligned_rows
from fastgd.solver import statistics


def test_units_are_whole_nodes_of_every_view():
    for d in range(1, 3000, 7):
        for columns in (d, d + 1):
            assert aligned_rows(d) % statistics.rows_together(columns) == 0
