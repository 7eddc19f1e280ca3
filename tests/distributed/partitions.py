"""Rows in partitions on the workers of a small cluster."""

from __future__ import annotations

import logging

import dask.array
import numpy as np

import fastgd

QUIET = {"dashboard_address": "127.0.0.1:0", "host": "127.0.0.1", "silence_logs": logging.CRITICAL}
UNIT = 4096
ROWS = 3 * UNIT + 77


def lot(n, d, seed=0, dtype=np.float64):
    X, y, _ = fastgd.make_linear(n, d, noise=0.1, seed=seed, dtype=dtype)
    return X, y


def cut_at(n, cuts):
    return [slice(a, b) for a, b in zip([0, *cuts], [*cuts, n], strict=True)]


def put(client, values, cuts, homes=None):
    """An array in the memory of workers, cut there; `homes` are numbers of workers."""
    addresses = sorted(client.nthreads())
    name = f"put-{np.random.default_rng().integers(2**60)}"
    graph, parts = {}, cut_at(len(values), cuts)
    for number, part in enumerate(parts):
        home = [addresses[homes[number] % len(addresses)]] if homes else None
        key = (name, number) + (0,) * (values.ndim - 1)
        graph[key] = client.submit(np.array, values[part], key=key, workers=home, allow_other_workers=False)
    chunks = tuple(part.stop - part.start for part in parts), *((m,) for m in values.shape[1:])
    return dask.array.Array(graph, name, chunks, dtype=values.dtype)


def random_cuts(rng, n, most=9):
    """Ends of partitions; some of them empty."""
    return sorted(rng.integers(0, n + 1, rng.integers(1, most)).tolist())


def assert_same_bits(there, here):
    for name in ("w", "intercept", "cost_history", "loss_history", "validation_history", "w_history"):
        found, wanted = getattr(there, name), getattr(here, name)
        assert (found is None) == (wanted is None), name
        if wanted is not None:
            assert np.asarray(found).tobytes() == np.asarray(wanted).tobytes(), name
    assert there.method == here.method
