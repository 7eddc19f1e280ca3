"""Fits that are killed at a chosen moment, and their bits, for the tests of checkpoints."""

from __future__ import annotations

import os

import numpy as np
import pytest

import fastgd
from fastgd.data import arrays, streams, transform
from fastgd.engine import blocks, journal, reduce
from fastgd.io import npz
from fastgd.solver import centring, statistics
from fastgd.solver.steppers import exact, summary

BLOCK = 64
"""Rows of a block, and of a run, in these tests: few rows then make many runs."""


class Killed(BaseException):
    """Stands for the death of the process."""


@pytest.fixture
def small_runs(monkeypatch):
    """Use blocks of few rows, runs of one block, and several threads if there are some. Do not wait for
    disks."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS", BLOCK)
    monkeypatch.setattr(statistics, "ROWS_TOGETHER", BLOCK)
    monkeypatch.setattr(centring, "ACCURATE_ROWS", BLOCK)
    for module, name in (
        (arrays, "_SLICED_RUN_NUMBERS"),
        (arrays, "CONVERTED_RUN_BYTES"),
        (streams.StreamRows, "run_numbers"),
        (transform, "RUN_NUMBERS"),
        (reduce, "LEAST_RUN_NUMBERS"),
        (reduce, "LEAST_THREAD_NUMBERS"),
    ):
        monkeypatch.setattr(module, name, 1)
    for module in (summary, exact):
        monkeypatch.setattr(module, "_CALL_NS", 600)  # several calls for these rows
    monkeypatch.setattr(streams, "POLL", 0.002)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    blocks.block_rows.cache_clear()
    yield
    blocks.block_rows.cache_clear()


class Fate:
    """While it is installed, a checkpoint is due at every `every`-th moment, and the process dies after
    `lives` moments.

    A moment is a time at which a checkpoint may be due: a run of a read, the end of a read, an epoch. With
    `of_reads` only moments count in which a read got further than in an earlier process.
    """

    def __init__(self, monkeypatch):
        self.lives, self.every, self.moments, self.of_reads = None, 1, 0, False
        self.how: type[BaseException] = Killed
        fate = self
        at_epoch, reached = journal.Journal.at_epoch, journal.JournalEntry.reached

        def is_due(log):
            return log.keeps and fate.moments % fate.every == 0

        def live(log):
            fate.moments += 1
            if fate.lives is not None and log.keeps and fate.moments > fate.lives:
                fate.lives = None  # only once
                raise fate.how

        def epoch(log, *what):
            at_epoch(log, *what)
            if not fate.of_reads:
                live(log)

        def run(entry, row, place):
            reached(entry, row, place)
            if not fate.of_reads or row > (entry.found.row if entry.found else 0):
                live(entry._journal)

        monkeypatch.setattr(journal.Journal, "is_due", is_due)
        monkeypatch.setattr(journal.Journal, "at_epoch", epoch)
        monkeypatch.setattr(journal.JournalEntry, "reached", run)

    def run(self, fit, lives=None, every=1):
        """The result of the fit, or None if it died."""
        self.lives, self.every, self.moments = lives, every, 0
        try:
            return fit()
        except Killed:
            return None
        finally:
            self.lives = None


@pytest.fixture
def fate(monkeypatch):
    return Fate(monkeypatch)


def bits(fit):
    """All parts of a fit except its elapsed time. They are equal if and only if all bits are."""
    values = {name: value for name, value in fit.__getstate__().items() if name not in ("elapsed", "_w0")}
    arrays_of: dict = {}
    tree = npz.pack(values, arrays_of, "fit")
    return tree, {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays_of.items()}


N, MOST = 3 * BLOCK + 13, 9 * BLOCK


GD, SGD = fastgd.gradient_descent, fastgd.sgd


FULL = dict(fit_intercept=True, standardize=True, sample_weight="some")


def problem(kind="plain"):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((MOST, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.3 * rng.standard_normal(MOST)
    if kind == "moved":  # the first rows tell little of the later ones
        X[: 2 * BLOCK] *= 1e-3
        y[: 2 * BLOCK] = 1e3 * rng.standard_normal(2 * BLOCK)
    if kind == "far":
        y[2 * BLOCK :] = X[2 * BLOCK :] @ [1e4, 1e4, 1e4]
        y[: 2 * BLOCK] = 1e-3
        X[: 2 * BLOCK] *= 1e-6
    if kind == "line":
        X = X[:, 0]
    if kind == "classes":
        y = (y > 0).astype(float)
    if kind == "steep":  # blocks whose maps are not safe
        X[BLOCK : BLOCK + 40] *= 6.0
    return X, y


def weights():
    return np.abs(np.random.default_rng(6).standard_normal(MOST)).round(2)


def source(X, y, s=None):
    """Chunks of odd sizes, of rows that are not counted."""

    def factory():
        for start in range(0, len(y), 77):
            these = slice(start, start + 77)
            yield (X[these], y[these]) if s is None else (X[these], y[these], s[these])

    return fastgd.chunks(factory)


def stopping(state):
    return state.epoch == 1


CASES = {
    "descent on statistics": (GD, {}, dict(method="summary")),
    "descent on statistics, a line": (GD, dict(kind="line"), dict(method="summary", n_epochs=6)),
    "descent on statistics, read again": (GD, dict(kind="moved"), dict(method="summary", n_epochs=40)),
    "descent on statistics, read again later": (
        GD,
        dict(kind="far"),
        dict(method="summary", learning_rate=0.2, n_epochs=60),
    ),
    "descent, streamed": (GD, {}, dict(method="stream")),
    "descent, streamed, costs alone": (GD, {}, dict(method="stream", history="costs")),
    "descent, streamed, no history": (GD, {}, dict(method="stream", history=None)),
    "descent, two threads": (GD, {}, dict(method="stream", n_threads=2)),
    "statistics, two threads": (GD, {}, dict(method="summary", n_threads=2)),
    "descent in Python": (GD, {}, dict(backend="python")),
    "descent of one block": (GD, dict(rows=BLOCK), dict()),
    "nesterov on statistics": (
        GD,
        {},
        FULL | dict(method="summary", nesterov=True, l1=0.01, tol=1e-6, n_epochs=200),
    ),
    "nesterov, streamed": (GD, {}, FULL | dict(method="stream", nesterov=True, l1=0.01, tol=0.5, patience=2)),
    "momentum": (GD, {}, dict(method="stream", momentum=0.5, tol="auto", n_threads=2)),
    "momentum in Python": (GD, {}, dict(backend="python", momentum=0.5, nesterov=True, l1=0.1)),
    "log loss": (GD, dict(kind="classes"), FULL | dict(loss="log_loss", nesterov=True)),
    "quantiles": (GD, {}, dict(loss="quantile", fit_intercept=True, tol=1e-4)),
    "statistics, intercept": (GD, {}, FULL | dict(method="summary")),
    "validation": (
        GD,
        dict(kind="classes"),
        dict(loss="log_loss", validation_fraction=0.3, patience=2, learning_rate=40.0, n_epochs=8),
    ),
    "validation of sgd": (SGD, {}, dict(validation_fraction=0.3, patience=1, n_epochs=8, method="stream")),
    "a callback that stops": (GD, {}, dict(callback=stopping, method="stream")),
    "a callback that stops statistics": (GD, {}, dict(callback=stopping, method="summary")),
    "rates by a function": (GD, {}, dict(learning_rate=lambda epoch: 0.1 / (1 + epoch), method="stream")),
    "diverging": (GD, {}, dict(learning_rate=1e80, on_divergence="warn", method="stream")),
    "diverging statistics": (GD, {}, dict(learning_rate=1e80, on_divergence="warn", method="summary")),
    "grown": (GD, {}, dict(learning_rate=2.0, on_divergence="warn", method="stream")),
    "chunks": (GD, dict(of="chunks"), dict()),
    "chunks, streamed": (GD, dict(of="chunks"), dict(method="stream")),
    "chunks of whole blocks": (GD, dict(of="chunks", rows=3 * BLOCK), dict(backend="python", n_epochs=1)),
    "chunks of whole blocks, weighted": (GD, dict(of="weighted chunks", rows=3 * BLOCK), dict(loss="huber")),
    "chunks on statistics": (GD, dict(of="chunks"), dict(method="summary")),
    "chunks with weights": (GD, dict(of="weighted chunks"), dict(fit_intercept=True, standardize=True)),
    "chunks, log loss": (GD, dict(kind="classes", of="chunks"), dict(loss="log_loss")),
    "chunks, validation": (GD, dict(of="chunks"), dict(validation_fraction=0.3, n_threads=2)),
    "chunks of sgd": (SGD, dict(of="chunks"), dict(track_cost=True)),
    "chunks by maps": (SGD, dict(of="chunks"), dict(method="summary", shuffle="blocks", seed=4)),
    "weighted chunks by maps": (
        SGD,
        dict(of="weighted chunks"),
        dict(method="summary", shuffle="blocks", seed=4),
    ),
    "chunks in Python": (GD, dict(of="chunks"), dict(backend="python", n_epochs=2)),
    "sgd in order": (SGD, {}, dict(method="stream", track_cost=True)),
    "sgd, blocks": (SGD, {}, dict(method="stream", shuffle="blocks", seed=3)),
    "sgd, shuffled": (SGD, {}, dict(shuffle=True, seed=3)),
    "sgd, every step kept": (SGD, {}, dict(history="samples", n_epochs=2)),
    "sgd of one block": (SGD, dict(rows=BLOCK), dict(shuffle=True, seed=3)),
    "sgd that overflows": (SGD, {}, dict(method="stream", learning_rate=1e200, on_divergence="warn")),
    "maps in order": (SGD, {}, dict(method="summary", n_threads=2)),
    "maps, blocks": (SGD, dict(kind="line"), dict(method="summary", shuffle="blocks", seed=3)),
    "maps, read again": (SGD, dict(kind="far"), dict(method="summary", learning_rate=1e-9)),
    "maps, some scanned": (SGD, dict(kind="steep", rows=MOST), dict(method="summary", learning_rate=0.01)),
    "maps, some scanned, blocks": (
        SGD,
        dict(kind="steep", rows=MOST),
        dict(method="summary", learning_rate=0.01, shuffle="blocks", seed=3),
    ),
    "maps of several rates": (SGD, {}, dict(method="summary", learning_rate=[0.01, 0.02, 0.01])),
    "sgd, huber": (SGD, {}, FULL | dict(loss="huber", l2=0.1, tol=1e-2, patience=1)),
    "sgd by any rule": (
        SGD,
        {},
        FULL | dict(momentum=0.5, batch_size=7, average=True, l1=0.01, shuffle=True, seed=2, track_cost=True),
    ),
    "sgd by any rule, blocks": (SGD, {}, FULL | dict(momentum=0.5, nesterov=True, shuffle="blocks", seed=2)),
    "sgd, averaged": (SGD, {}, dict(average=0.5, batch_size=3)),
    "sgd in Python": (
        SGD,
        {},
        dict(backend="python", shuffle="blocks", seed=3, history="samples", n_epochs=2),
    ),
    "any sgd in Python": (SGD, {}, dict(backend="python", momentum=0.5, average=9, shuffle=True, seed=3)),
    "from a fit": (GD, dict(w0=GD), dict(method="summary")),
    "from a fit of sgd": (SGD, dict(w0=SGD), dict(shuffle=True, momentum=0.5, average=True, method="stream")),
    "no epochs": (GD, {}, dict(n_epochs=0)),
}


def fit_of(case):
    """A function that fits the case, with more options."""
    solver, about, how = CASES[case]
    X, y = problem(about.get("kind", "plain"))
    X, y = X[: about.get("rows", N)], y[: about.get("rows", N)]
    how = dict(n_epochs=2 if "of" in about else 3) | how
    if how.get("sample_weight") == "some":
        how["sample_weight"] = weights()[: len(y)]
    if "w0" in about:
        first = {name: value for name, value in how.items() if name != "sample_weight"}
        how["w0"] = about["w0"](X, y, **first | dict(n_epochs=2))
    data = (X, y)
    if "of" in about:
        data = (source(X, y, weights()[: len(y)] if "weighted" in about["of"] else None),)
    return lambda **more: solver(*data, **how | more)
