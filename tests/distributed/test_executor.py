"""The executor on a cluster: the same bits as in memory for any partitions and workers; what travels."""

from __future__ import annotations

import math
import pickle

import dask.array
import dask.dataframe
import numpy as np
import pandas as pd
import pytest

import fastgd
from fastgd.distributed import cluster, layout
from fastgd.distributed import executor as on_dask
from fastgd.distributed.held import aligned_rows
from tests.conftest import JIT_IS_OFF
from tests.distributed.partitions import UNIT, assert_same_bits, lot, put, random_cuts

FITS = {
    "statistics": (fastgd.gradient_descent, dict(n_epochs=20)),
    "streamed": (fastgd.gradient_descent, dict(n_epochs=3, method="stream")),
    "standardized": (fastgd.gradient_descent, dict(n_epochs=5, fit_intercept=True, standardize=True)),
    "huber": (fastgd.gradient_descent, dict(n_epochs=3, loss="huber", fit_intercept=True, l1=1e-3)),
    "held out": (fastgd.gradient_descent, dict(n_epochs=3, validation_fraction=0.25)),
    "held out, streamed": (
        fastgd.gradient_descent,
        dict(n_epochs=2, validation_fraction=0.25, loss="huber", standardize=True),
    ),
    "maps": (fastgd.sgd, dict(n_epochs=4, method="summary")),
    "maps, shuffled": (fastgd.sgd, dict(n_epochs=4, method="summary", shuffle="blocks", seed=3)),
    "steps": (fastgd.sgd, dict(n_epochs=2, method="stream", track_cost=True)),
    "steps of batches": (fastgd.sgd, dict(n_epochs=2, batch_size=3, momentum=0.5, average=True)),
    "steps, standardized": (fastgd.sgd, dict(n_epochs=2, loss="huber", standardize=True, fit_intercept=True)),
}


WEIGHTED = ["statistics", "huber", "maps", "steps, standardized", "held out"]
NAMES = ["statistics", "held out, streamed", "maps", "steps of batches"] if JIT_IS_OFF else list(FITS)


class TestSameBits:
    @pytest.mark.parametrize("name", NAMES)
    def test_of_fits(self, client, data, name):
        X, y = data
        fit, how = FITS[name]
        cuts = [100, 100, 5000, 5001, 9000]
        dX, dy = put(client, X, cuts, [0, 1, 1, 0, 1, 0]), put(client, y, cuts, [0, 1, 1, 0, 1, 1])
        assert_same_bits(fit(dX, dy, **how), fit(X, y, **how))

    @pytest.mark.parametrize("name", WEIGHTED[:2] if JIT_IS_OFF else WEIGHTED)
    def test_of_weighted_rows(self, client, data, name, rng):
        X, y = data
        fit, how = FITS[name]
        weights = rng.uniform(0.0, 2.0, len(y))
        cuts = [3000, 9000]
        parts = [put(client, part, cuts) for part in (X, y, weights)]
        there = fit(parts[0], parts[1], sample_weight=parts[2], **how)
        assert_same_bits(there, fit(X, y, sample_weight=weights, **how))

    @pytest.mark.parametrize("seed", range(3 if JIT_IS_OFF else 12))
    def test_of_random_partitions(self, client, seed):
        rng = np.random.default_rng(seed)
        d = [None, 1, 2, 3, 40, 120][seed % 6]
        unit = aligned_rows(d or 1)
        n = int(rng.integers(unit, (2 if JIT_IS_OFF else 7) * unit))
        X, y = lot(n, d, seed, [np.float64, np.float32][seed % 2])
        cuts = random_cuts(rng, n)
        homes = rng.integers(0, 2, len(cuts) + 1).tolist()
        dX, dy = put(client, X, cuts, homes), put(client, y, cuts, homes)
        for how in ({}, {"fit_intercept": True}, {"validation_fraction": 0.2}, {"loss": "huber"}):
            there = fastgd.gradient_descent(dX, dy, n_epochs=2, **how)
            assert_same_bits(there, fastgd.gradient_descent(X, y, n_epochs=2, **how))
        assert_same_bits(fastgd.sgd(dX, dy, n_epochs=2), fastgd.sgd(X, y, n_epochs=2))

    def test_of_one_worker_and_two(self, client, data):
        X, y = data
        here = fastgd.gradient_descent(X, y)
        for homes in ([0, 0], [1, 1], [1, 0]):
            there = fastgd.gradient_descent(put(client, X, [5000], homes), put(client, y, [5000], homes))
            assert_same_bits(there, here)

    def test_of_collections_that_are_not_yet_computed(self, client, data):
        X, y = data
        lazy = dask.array.from_array(X, chunks=(5000, 2)), dask.array.from_array(y, chunks=4000)
        kept = set(layout._placements)
        there = fastgd.gradient_descent(*lazy, fit_intercept=True)
        assert_same_bits(there, fastgd.gradient_descent(X, y, fit_intercept=True))
        assert set(layout._placements) <= kept, "what the user did not persist is not kept"

    def test_of_collections_made_of_persisted_ones(self, client, data):
        X, y = data
        dX, dy = put(client, X, [6000], [0, 1]), put(client, y, [6000], [0, 1])
        there = fastgd.gradient_descent(dX[:, :2], dy + 1.0)
        assert_same_bits(there, fastgd.gradient_descent(X[:, :2], y + 1.0))

    def test_of_targets_that_are_an_array(self, client, data):
        X, y = data
        there = fastgd.gradient_descent(put(client, X, [6000]), y)
        assert_same_bits(there, fastgd.gradient_descent(X, y))

    @pytest.mark.parametrize("persist", [True, False])
    def test_of_dataframes(self, client, data, persist):
        X, y = data
        frame = pd.DataFrame({"a": X[:, 0], "b": (100 * X[:, 1]).astype(int), "c": X[:, 2], "y": y})
        of = dask.dataframe.from_pandas(frame, npartitions=3)
        of = of.persist() if persist else of
        there = fastgd.gradient_descent(of[["a", "b", "c"]], of["y"], fit_intercept=True)
        here = fastgd.gradient_descent(frame[["a", "b", "c"]], frame["y"], fit_intercept=True)
        assert_same_bits(there, here)

    def test_of_rows_that_are_not_counted(self, client, data):
        X, y = data
        dX, dy = put(client, X, [5000, 9000]), put(client, y, [5000, 9000])
        keep = dX[:, 0] > 0.0
        there = fastgd.gradient_descent(dX[keep], dy[keep])
        assert_same_bits(there, fastgd.gradient_descent(X[X[:, 0] > 0.0], y[X[:, 0] > 0.0]))

    def test_of_few_rows(self, client):
        X, y = lot(100, 2)
        dX, dy = put(client, X, [40, 41], [0, 0, 0]), put(client, y, [40, 41], [0, 0, 0])
        assert_same_bits(fastgd.gradient_descent(dX, dy), fastgd.gradient_descent(X, y))
        assert_same_bits(fastgd.sgd(dX, dy), fastgd.sgd(X, y))
        found = fastgd.gradient_descent(dX, dy, backend="python", n_epochs=2)
        assert_same_bits(found, fastgd.gradient_descent(X, y, backend="python", n_epochs=2))

    def test_of_functions(self, client, data):
        X, y = data
        dX, dy = put(client, X, [5000]), put(client, y, [5000])
        w = np.array([0.5, 1.0, -1.0])
        cost, gradient = fastgd.cost_and_gradient(dX, dy, w)
        assert (cost, gradient.tolist()) == (fastgd.cost(X, y, w), fastgd.gradient(X, y, w).tolist())
        assert fastgd.cost(dX, dy, w, loss="huber", intercept=1.0) == fastgd.cost(
            X, y, w, loss="huber", intercept=1.0
        )
        for solver in ("gradient_descent", "sgd"):
            assert str(fastgd.diagnose(dX, dy, solver=solver)) == str(fastgd.diagnose(X, y, solver=solver))
            how = dict(learning_rates=[0.01, "auto"], n_epochs=3, solver=solver)
            there, here = fastgd.sweep(dX, dy, **how), fastgd.sweep(X, y, **how)
            for one, other in zip(there.fits, here.fits, strict=True):
                assert_same_bits(one, other)

    def test_of_blocks_whose_maps_lose_digits(self, client, data):
        """They are stepped each epoch, between the maps."""
        X, y = data[0].copy(), data[1]
        X[5000] *= 40.0
        how = dict(learning_rate=0.01, n_epochs=3, method="summary")
        here = fastgd.sgd(X, y, **how)
        assert here.method == "summary" or JIT_IS_OFF
        there = fastgd.sgd(put(client, X, [6000]), put(client, y, [6000]), **how)
        assert_same_bits(there, here)

    def test_of_a_loss_of_ones_own(self, client, data):
        X, y = data

        class Cubed:
            curvature = 6.0

            def value(self, score, y):
                return abs(score - y) ** 3

            def slope(self, score, y):
                return 3.0 * (score - y) * abs(score - y)

        how = dict(loss=Cubed(), n_epochs=2, learning_rate=1e-3)
        one = [0, 0]  # each worker has to compile it
        there = fastgd.gradient_descent(put(client, X, [6000], one), put(client, y, [6000], one), **how)
        assert_same_bits(there, fastgd.gradient_descent(X, y, **how))

    def test_a_run_in_memory_goes_on_there(self, client, data):
        X, y = data
        how = dict(loss="huber", momentum=0.9, learning_rate=0.01)
        first = fastgd.gradient_descent(X, y, n_epochs=2, **how)
        there = fastgd.gradient_descent(
            put(client, X, [6000]), put(client, y, [6000]), w0=first, n_epochs=2, **how
        )
        assert_same_bits(there, fastgd.gradient_descent(X, y, w0=first, n_epochs=2, **how))

    def test_without_a_client(self, data, rng):
        X, y = data
        weights = rng.uniform(0.0, 2.0, len(y))
        lazy = [dask.array.from_array(part, chunks=(5000, *part.shape[1:])) for part in (X, y, weights)]
        there = fastgd.gradient_descent(*lazy[:2], sample_weight=lazy[2])
        assert_same_bits(there, fastgd.gradient_descent(X, y, sample_weight=weights))
        frame = pd.DataFrame(X, columns=list("abc")).assign(y=y)
        of = dask.dataframe.from_pandas(frame, npartitions=3)
        assert_same_bits(fastgd.sgd(of[["a", "b", "c"]], of["y"]), fastgd.sgd(X, y))


class TestWhatTravels:
    def test_tasks_and_answers_are_small(self, client, data, monkeypatch):
        """Tasks hold nothing of the rows; answers are a few nodes a worker."""
        X, y = data
        dX, dy = put(client, X, [5000, 9000], [0, 1, 0]), put(client, y, [5000, 9000], [0, 1, 0])
        sizes, answers = [], []
        sent, gather = on_dask.Workers._sent, cluster.Cluster.gather

        def watched(self, task):
            found = sent(self, task)
            sizes.append(len(found))
            return found

        def gathered(self, futures):
            found = gather(self, futures)
            answers.append(len(pickle.dumps(found)))
            return found

        monkeypatch.setattr(on_dask.Workers, "_sent", watched)
        fastgd.gradient_descent(dX, dy, fit_intercept=True, standardize=True)  # the first rows come once
        monkeypatch.setattr(cluster.Cluster, "gather", gathered)
        fastgd.gradient_descent(dX, dy, fit_intercept=True, standardize=True)
        assert len(answers) == 1  # one read
        blocks = -(-len(y) // UNIT)
        assert answers[0] < 2 * 2 * math.log2(blocks) * (8 * 64 + 300) < X.nbytes / 40
        fastgd.sgd(dX, dy, method="stream", n_epochs=1)
        fastgd.gradient_descent(dX, dy, loss="huber", n_epochs=1, validation_fraction=0.25)
        assert max(sizes) < 4000

    def test_a_large_task_travels_once_a_worker(self, client, data, monkeypatch):
        monkeypatch.setattr(on_dask, "LARGE", 10)
        X, y = data
        there = fastgd.gradient_descent(put(client, X, [5000]), put(client, y, [5000]))
        assert_same_bits(there, fastgd.gradient_descent(X, y))

    def test_many_answers_are_joined_on_the_way(self, client, data, monkeypatch):
        monkeypatch.setattr(on_dask, "MOST_ANSWERS", 1)
        monkeypatch.setattr(on_dask, "FAN_IN", 2)
        X, y = data
        for fit in (fastgd.gradient_descent, fastgd.sgd):
            there = fit(put(client, X, [5000], [0, 1]), put(client, y, [5000], [0, 1]))
            assert_same_bits(there, fit(X, y))
