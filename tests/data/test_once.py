"""Streams that can be read once: kept rows, facts on the way, and what the read refuses."""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa
import pytest

import fastgd
from fastgd.data.arrays import ArrayRows
from fastgd.data.chunks import KEPT_ROWS
from fastgd.data.once import OnceRows
from fastgd.data.tables import read_table
from fastgd.data.transform import TransformedRows
from fastgd.engine.blocks import block_rows
from fastgd.solver import caveats, centring, folds, objective
from fastgd.solver.inputs import as_dataset, check_weights
from tests.data.reading import rows_of

N = 9_500
RNG = np.random.default_rng(5)
D = 8
X = RNG.normal(size=(N, D))
Y = X @ np.arange(1.0, 9.0) + RNG.normal(size=N)
S = RNG.random(N)


def stream(rows=700, n=N, **changed):
    columns = {f"x{j}": X[:n, j] for j in range(D)} | {"y": Y[:n], "s": S[:n]} | changed
    table = pa.table(columns)
    batches = pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches(max_chunksize=rows)))
    return functools.partial(read_table, batches, target="y", features=[f"x{j}" for j in range(D)])


def once(weight=None, **changed) -> OnceRows:
    return as_dataset(stream(**changed)(weight=weight), None)


def test_the_first_rows_are_kept_and_come_again_in_the_read():
    rows = once(weight="s")
    for many in (3, KEPT_ROWS, 5):
        np.testing.assert_array_equal(rows.head(many)[0], X[:many])
    found = rows_of(rows.source)
    for values, expected in zip(found, (X, Y, S), strict=True):
        np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(rows.head(KEPT_ROWS)[1], Y[:KEPT_ROWS])
    with pytest.raises(
        fastgd.InvalidDataError, match="can be read once, and an earlier read has used it up; load"
    ):
        rows_of(rows.source)


def test_no_solver_asks_for_more_first_rows_than_are_kept():
    assert max(caveats.FIRST_ROWS, objective.LOOK_ROWS, folds.MOST, centring.ACCURATE_ROWS + 1) <= KEPT_ROWS
    for d in (1, 2, 3, 16, 100, 1024):
        rows = as_dataset(read_table(narrow(d), target="y"), None)
        block = block_rows(d)
        assert rows.source.n_to_keep >= max(
            centring.FIRST_NUMBERS // d, -(-4 * d // block) * block, block + 1
        )


def narrow(d):
    table = pa.table({f"x{j}": [1.0] for j in range(d)} | {"y": [1.0]})
    return pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches()))


@pytest.mark.parametrize("n", [1, 700, 701, KEPT_ROWS])
def test_a_stream_of_few_rows_is_as_any_source(n):
    rows = once(n=n, rows=700, weight="s")
    assert not rows.is_once
    assert once(n=KEPT_ROWS + 1).is_once
    arrays = ArrayRows(X[:n], Y[:n])
    arrays.set_weights(S[:n])
    np.testing.assert_array_equal(rows.facts.state, arrays.facts.state)
    assert (rows.n, rows.total_weight) == (n, arrays.total_weight)


def test_the_read_finds_the_facts_of_all_rows():
    rows = once(weight="s")
    assert rows.is_once
    assert rows.known_n is None
    with pytest.raises(fastgd.InvalidDataError, match="and this call needs more than one read"):
        _ = rows.facts
    reading = TransformedRows(rows, np.zeros(D), np.ones(D), has_ones=True).begin(
        (start, start + 4096) for start in range(0, 10 * N, 4096)
    )
    total = sum(len(y) for _, _, y, _ in reading.runs())
    arrays = ArrayRows(X, Y)
    arrays.set_weights(S)
    np.testing.assert_array_equal(rows.facts.state, arrays.facts.state)
    assert (total, rows.n, rows.passes) == (N, N, 0)


def changed_at(values, row, value):
    values = values.copy()
    values[row] = value
    return values


CALLS = {
    "cost": lambda source: fastgd.cost(source, w=np.ones(D)),
    "gradient_descent": lambda source: fastgd.gradient_descent(source, fit_intercept=True),
    "summarize": fastgd.summarize,
    "sgd": lambda source: fastgd.sgd(source, n_epochs=1, learning_rate=1e-3),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("row", [3, 8_803, N - 1])
def test_invalid_numbers_are_refused_by_row(call, row):
    cases = [("x2", X[:, 2], np.nan, "is NaN"), ("y", Y, np.inf, "is infinite")]
    cases += [("s", S, value, f"is {value:g}; weights must") for value in (-2.0, np.nan)]
    for name, values, value, text in cases:
        source = stream(**{name: changed_at(values, row, value)})(weight="s")
        place = f'^row {row} of RecordBatchReader: column "{name}" {text}'
        with pytest.raises(fastgd.InvalidDataError, match=place):
            call(source)


def test_rows_are_counted_before_some_are_dropped():
    x0, y = changed_at(X[:, 0], slice(0, 40), np.nan), changed_at(Y, 9_200, -np.inf)
    source = stream(x0=x0, y=y)(missing="drop")
    with pytest.raises(
        fastgd.InvalidDataError, match='^row 9200 of RecordBatchReader: column "y" is minus infinite'
    ):
        fastgd.gradient_descent(source)


def test_a_weight_in_the_kept_rows_is_refused_before_the_read():
    rows = once(weight="s", s=changed_at(S, 8_000, -1.0), x0=changed_at(X[:, 0], slice(0, 40), np.nan))
    with pytest.raises(
        fastgd.InvalidDataError, match='^row 8000 of RecordBatchReader: column "s" is -1; weights'
    ):
        check_weights(rows)
    source = stream(s=changed_at(S, 8_000, -1.0), x0=changed_at(X[:, 0], slice(0, 40), np.nan))
    rows = as_dataset(source(weight="s", missing="drop"), None)
    with pytest.raises(
        fastgd.InvalidDataError, match='^row 8000 of RecordBatchReader: column "s" is -1; weights'
    ):
        check_weights(rows)
    assert rows.head(3)[1].tolist() == Y[40:43].tolist()


def test_weights_that_cannot_be_used():
    for s, text in (
        (0 * S, "the weights are zero for every row"),
        (S * 1e-320, "are too small for a float's"),
    ):
        with pytest.raises(fastgd.InvalidDataError, match=text):
            fastgd.gradient_descent(stream(s=s)(weight="s"))
    late = np.where(np.arange(N) < 9_000, 0.0, S)  # the first runs alone have no weight
    fit = fastgd.gradient_descent(stream(s=late)(weight="s"), precondition=True)
    expected = np.linalg.lstsq(X[9_000:] * S[9_000:, None] ** 0.5, Y[9_000:] * S[9_000:] ** 0.5)[0]
    np.testing.assert_allclose(fit.w, expected, rtol=1e-10)


def test_targets_outside_of_the_domain_of_a_loss():
    y = changed_at((Y > 0).astype(float), 9_100, 0.5)
    with pytest.raises(
        fastgd.InvalidDataError, match='^row 9100 of .* "y" is 0.5; log_loss takes y of 0 and 1'
    ):
        fastgd.cost(stream(y=y)(), w=np.ones(D), loss="log_loss")
    y = changed_at(np.abs(Y), 9_101, -0.25)
    with pytest.raises(
        fastgd.InvalidDataError, match='^row 9101 of .* "y" is -0.25; poisson takes y of at least 0'
    ):
        fastgd.cost(stream(y=y)(), w=np.ones(D), loss="poisson")


def test_an_error_of_the_stream_is_not_its_end():
    def batches():
        yield from table.to_batches(max_chunksize=500)[:3]
        raise OSError("cut")

    table = pa.table({"a": X[:, 0], "y": Y})
    source = read_table(pa.RecordBatchReader.from_batches(table.schema, batches()), target="y")
    with pytest.raises(fastgd.InvalidDataError, match="cut"):
        fastgd.cost(source, w=[1.0])
    with pytest.raises(fastgd.InvalidDataError, match="an earlier read has used it up"):
        fastgd.cost(source, w=[1.0])
