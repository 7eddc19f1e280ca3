"""Three named columns, and the options of a fit of them."""

from __future__ import annotations

import numpy as np

RNG = np.random.default_rng(30)


COLUMNS = {"a": RNG.normal(size=60), "b": RNG.normal(size=60) + 1.0, "c": RNG.normal(size=60) * 2.0}


X = np.column_stack(list(COLUMNS.values()))


Y = X @ [1.0, -2.0, 0.5] + RNG.normal(size=60) * 0.1


HOW = dict(learning_rate=0.1, n_epochs=20)
