"""Collections of Dask that are refused, and the sentences that say why."""

from __future__ import annotations

import warnings

import dask.array
import dask.dataframe
import numpy as np
import pandas as pd
import pytest

import fastgd
from tests.distributed.partitions import put


class TestBadInput:
    @pytest.mark.parametrize("column", [None, 1])
    def test_what_is_not_finite_is_named(self, client, data, column):
        X, y = data[0].copy(), data[1].copy()
        where = y if column is None else X[:, column]
        where[9001] = np.nan
        where[11000] = np.inf
        for fit in (fastgd.gradient_descent, fastgd.sgd):
            with pytest.raises(fastgd.InvalidDataError) as here:
                fit(X, y)
            with pytest.raises(fastgd.InvalidDataError) as there:
                fit(put(client, X, [5000]), put(client, y, [5000]))
            assert str(there.value) == str(here.value)

    def test_a_column_is_named(self, client, data):
        frame = pd.DataFrame(data[0], columns=["a", "b", "c"]).assign(y=data[1])
        frame.loc[9001, "b"] = np.nan
        of = dask.dataframe.from_pandas(frame, npartitions=2)
        with pytest.raises(fastgd.InvalidDataError, match=r"X\[9001, 'b'\] is NaN"):
            fastgd.gradient_descent(of[["a", "b", "c"]], of["y"])

    def test_weights_that_cannot_be(self, client, data):
        X, y = data
        weights = np.ones(len(y))
        weights[7000] = -1.0
        parts = [put(client, part, [5000]) for part in (X, y, weights)]
        sentence = r"^sample_weight\[7000\] is -1; weights must be finite and not negative$"
        with pytest.raises(fastgd.InvalidDataError, match=sentence):
            fastgd.gradient_descent(*parts[:2], sample_weight=parts[2])

    @pytest.mark.parametrize("how", [dict(shuffle=True), dict(shuffle="blocks", method="stream")])
    def test_other_orders(self, client, data, how):
        dX, dy = (put(client, part, [5000]) for part in data)
        with pytest.raises(fastgd.InvalidDataError, match='another order: pass shuffle=False, or.*"summary"'):
            fastgd.sgd(dX, dy, seed=0, **how)

    @pytest.mark.parametrize("is_there", [True, False])
    def test_partitions_that_do_not_agree(self, the_client, data, is_there):
        X, y = data
        dX, dy = dask.array.from_array(X, chunks=(5000, 3)), dask.array.from_array(y, chunks=5000)
        keep = dX[:, 0] > 0.0
        sentences = {
            "y has 9 rows and X has": (dX, dy[:9]),
            "y is missing": (dX, None),
            "y has several columns, and X is no array or table in memory": (dX, dX),
            "X has 3 dimensions": (dX[:, :, None], dy),
            "partitions and X has": (dX[keep], dy.rechunk(9000)[dy.rechunk(9000) > 0.0]),
            r"partition \d: y has shape": (dX[keep], dy[~keep]),
            "y is not a Dask collection": (dX[keep], y),
            "y has shape": (dX, y[1:]),
            "no rows": (dX[:0], dy[:0]),
            "X holds complex": (dX + 1j, dy),
        }
        for sentence, parts in sentences.items():
            context = the_client.as_current() if is_there else warnings.catch_warnings()
            with context, pytest.raises((fastgd.InvalidDataError, TypeError), match=sentence):
                fastgd.gradient_descent(*parts)

    def test_text_in_a_column(self, client):
        frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
        of = dask.dataframe.from_pandas(frame, npartitions=1)
        with pytest.raises(fastgd.InvalidDataError, match='column "b" of X holds'):
            fastgd.gradient_descent(of, of["a"])
        with pytest.raises(fastgd.InvalidDataError, match="y holds"):
            fastgd.gradient_descent(of[["a"]], of["b"])

    def test_a_partition_that_cannot_be_made(self, the_client):
        def fail(block):
            raise OSError("no such file")

        X = dask.array.ones(5000, chunks=1000)
        with pytest.raises(
            fastgd.InvalidDataError, match="partition 0 could not be computed: OSError: no such"
        ):
            fastgd.gradient_descent(X.map_blocks(fail, dtype=float), X)
        with the_client.as_current(), pytest.raises(OSError, match="no such file"):
            fastgd.gradient_descent(X.map_blocks(fail, dtype=float), X)
