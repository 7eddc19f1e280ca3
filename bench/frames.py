"""DuckDB and polars-online, on tables in their own memory. `contenders` explains what they return."""

from __future__ import annotations

import numpy as np

GRAM_BLOCK = 256
"""Rows that polars-online adds to XᵀX together. Without blocks it takes several times as long at d = 100."""


def duckdb_line(X, y):
    """f() → (slope, intercept), by aggregates over a table of two columns."""
    import duckdb

    connection = duckdb.connect()
    connection.register("arrays", {"x": X, "y": y})
    connection.execute("CREATE TABLE points AS SELECT x, y FROM arrays")
    connection.unregister("arrays")
    query = "SELECT regr_slope(y, x), regr_intercept(y, x) FROM points"
    return lambda: connection.execute(query).fetchone()


def _frame(X, y):
    """The columns x0, x1, … and y, and the names of the former."""
    import polars

    table = X.reshape(len(y), -1)
    names = [f"x{j}" for j in range(table.shape[1])]
    columns = {name: np.ascontiguousarray(table[:, j]) for j, name in enumerate(names)}
    return polars.DataFrame(columns | {"y": y}), names


def polars_ridge(X, y):
    """Running sums of all rows, then one solve, with the penalty 0."""
    import polars_online

    frame, names = _frame(X, y)
    spec = polars_online.spec.ewridge(
        "ridge", targets=["y"], features=names, ridge=0.0, fit_intercept=False, half_life=float("inf"),
        solve_every=float(len(y)), gram_block_rows=GRAM_BLOCK,
    )  # fmt: skip

    def solve(*_):
        bank = polars_online.ModelBank([spec])
        bank.fit(frame)
        w = polars_online.gram.solve(bank.gram("ridge")[0])
        return w[0] if X.ndim == 1 else w

    return solve


def polars_sgd(X, y):
    """polars-online halves the squared error, so its rate is twice ours. It starts from zeros."""
    import polars_online

    frame, names = _frame(X, y)

    def descend(w0, rate, n_epochs):
        assert not np.any(w0)
        spec = polars_online.spec.sgd(
            "sgd", targets=["y"], features=names, learning_rate=2 * rate, fit_intercept=False,
            standardize=False, clip_gradient=float("inf"), half_life=float("inf"),
        )  # fmt: skip
        bank = polars_online.ModelBank([spec])
        for _ in range(n_epochs):
            bank.fit(frame)
        w = bank.coef("sgd")["coef"].to_numpy()
        return w[0] if X.ndim == 1 else w

    return descend
