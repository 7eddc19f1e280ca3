"""A run that was killed and resumed is the run that nothing interrupted, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from tests.crashes import BLOCK, bits, fate, small_runs  # noqa: F401 - fixtures

pytestmark = pytest.mark.usefixtures("small_runs")

N = 3 * BLOCK + 13
GD, SGD = fastgd.gradient_descent, fastgd.sgd
FULL = dict(fit_intercept=True, standardize=True, sample_weight="some")


def problem(kind="plain"):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((N, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.3 * rng.standard_normal(N)
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
        X[BLOCK : BLOCK + 40] *= 9.0
    return X, y


def weights():
    return np.abs(np.random.default_rng(6).standard_normal(N)).round(2)


def source(X, y, s=None):
    """Chunks of odd sizes, of rows that are not counted."""

    def factory():
        for start in range(0, len(y), 77):
            these = slice(start, start + 77)
            yield (X[these], y[these]) if s is None else (X[these], y[these], s[these])

    return fastgd.chunks(factory)


def stopping(state):
    return state.epoch == 2


CASES = {
    "descent on statistics": (GD, {}, dict(method="summary")),
    "descent on statistics, a line": (GD, dict(kind="line"), dict(method="summary", n_epochs=6)),
    "descent on statistics, read again": (GD, dict(kind="moved"), dict(method="summary", n_epochs=400)),
    "descent, streamed": (GD, {}, dict(method="stream")),
    "descent, streamed, costs alone": (GD, {}, dict(method="stream", history="costs")),
    "descent, streamed, no history": (GD, {}, dict(method="stream", history=None)),
    "descent, two threads": (GD, {}, dict(method="stream", n_threads=2)),
    "statistics, two threads": (GD, {}, dict(method="summary", n_threads=2)),
    "descent in Python": (GD, {}, dict(backend="python")),
    "descent of one block": (GD, dict(rows=BLOCK), dict()),
    "nesterov on statistics": (GD, {}, FULL | dict(method="summary", nesterov=True, l1=0.01, tol=1e-6)),
    "nesterov, streamed": (GD, {}, FULL | dict(method="stream", nesterov=True, l1=0.01, tol=1e-2)),
    "momentum": (GD, {}, dict(method="stream", momentum=0.5, tol="auto", n_threads=2)),
    "momentum in Python": (GD, {}, dict(backend="python", momentum=0.5, nesterov=True, l1=0.1)),
    "log loss": (GD, dict(kind="classes"), FULL | dict(loss="log_loss", nesterov=True)),
    "quantiles": (GD, {}, dict(loss="quantile", fit_intercept=True, tol=1e-4)),
    "statistics, intercept": (GD, {}, FULL | dict(method="summary")),
    "validation": (GD, dict(kind="classes"), dict(loss="log_loss", validation_fraction=0.3, patience=2)),
    "validation of sgd": (SGD, {}, dict(validation_fraction=0.3, method="stream")),
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
    "maps, some scanned": (SGD, dict(kind="steep"), dict(method="summary", learning_rate=0.01)),
    "maps, some scanned, blocks": (
        SGD,
        dict(kind="steep"),
        dict(method="summary", learning_rate=0.01, shuffle="blocks", seed=3),
    ),
    "maps of several rates": (SGD, {}, dict(method="summary", learning_rate=[0.01, 0.02, 0.01, 0.02])),
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
    how = dict(n_epochs=4) | how
    if how.get("sample_weight") == "some":
        how["sample_weight"] = weights()
    if "w0" in about:
        first = {name: value for name, value in how.items() if name != "sample_weight"}
        how["w0"] = about["w0"](X, y, **first | dict(n_epochs=2))
    data = (X, y)
    if "of" in about:
        data = (source(X, y, weights()[: len(y)] if "weighted" in about["of"] else None),)
    return lambda **more: solver(*data, **how | more)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::fastgd.ConvergenceWarning")
@pytest.mark.parametrize("case", CASES)
def test_killed_anywhere_and_resumed_it_is_the_run_that_nothing_interrupted(case, fate, tmp_path):  # noqa: F811
    fit, path = fit_of(case), tmp_path / "run.npz"
    whole = bits(fit())
    assert bits(fate.run(lambda: fit(checkpoint=path))) == whole
    moments = fate.moments
    assert bits(fit(resume=path)) == whole  # from its end
    for moment in range(moments):
        path.unlink(missing_ok=True)
        assert fate.run(lambda: fit(checkpoint=path), moment, 1 + moment % 3) is None
        resume = path if path.exists() else None
        assert bits(fit(resume=resume)) == whole


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::fastgd.ConvergenceWarning")
@pytest.mark.parametrize("case", CASES)
def test_nothing_is_read_twice_however_often_it_is_killed(case, fate, tmp_path):  # noqa: F811
    fit, path = fit_of(case), tmp_path / "run.npz"
    whole = bits(fit())
    fate.of_reads = True
    fate.run(lambda: fit(checkpoint=path))
    moments = fate.moments
    path.unlink()
    lives, got = 0, None
    while got is None and lives <= moments + 1:
        resume = path if path.exists() else None
        if resume:  # dies at once, and leaves what it has found
            fate.of_reads = False
            fate.run(lambda: fit(checkpoint=path, resume=path), lives % 3)
            fate.of_reads = True
        got = fate.run(lambda: fit(checkpoint=path, resume=resume), 1)  # noqa: B023
        lives += 1
    assert got is not None, f"still not at its end after {lives} lives of one run each"
    assert bits(got) == whole
