"""Which y a loss takes."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.domains import CLASSES, NOT_NEGATIVE, NUMBERS

Y = np.array([-1.0, -0.0, 0.0, 0.5, 1.0, 2.0, np.inf, np.nan])


@pytest.mark.parametrize(
    ("domain", "refused"),
    [
        (NUMBERS, []),
        (NOT_NEGATIVE, [0]),
        (CLASSES, [0, 3, 5, 6, 7]),  # NaN too: it is found before, and named as NaN
    ],
)
def test_the_rows_that_are_refused(domain, refused):
    assert np.flatnonzero(domain.refuses(Y)).tolist() == refused


def test_the_demand_names_the_loss_and_the_remedy():
    assert CLASSES.demand("hinge") == "hinge takes y of 0 and 1: encode the classes as 0 and 1"
    assert NOT_NEGATIVE.demand("poisson") == "poisson takes y of at least 0: leave such rows out"
