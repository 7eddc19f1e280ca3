"""A fit in a file is the fit: every bit of it, and the run goes on as if nothing had been between."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd.checks import InvalidDataError
from fastgd.io import npz
from tests.helpers import file_header, forge, run, same
from tests.problems import RUNS, bits_of_end, data_of_run, problem

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


class OtherNumber:
    """Another library's: known as a number by its `__array__` alone."""

    def __array__(self, dtype=None, copy=None):
        return np.array(0.25)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "model"


def kept(fit: fastgd.FitResult, path: Path) -> fastgd.FitResult:
    fit.save(path)
    return fastgd.load(path)


@pytest.mark.parametrize("backend", ["numba", "python"])
@pytest.mark.parametrize(("fit_by", "how"), RUNS, ids=lambda one: getattr(one, "__name__", str(one)[:60]))
def test_a_run_goes_on_from_a_file_to_the_bit(rng, fit_by, how, backend, path):
    if backend == "python":
        how = {name: value for name, value in how.items() if name != "method"}
    X, y, how = data_of_run(rng, how, 60)
    how = how | dict(backend=backend)
    first = fit_by(X, y, n_epochs=3, **how)
    again = kept(first, path)
    assert same(again.__getstate__(), first.__getstate__())
    straight, detour = (fit_by(X, y, w0=start, n_epochs=4, **how) for start in (first, again))
    assert bits_of_end(detour) == bits_of_end(straight)
    assert detour.n_passes == straight.n_passes  # its references were known again
    for name in fastgd.FitResult.__slots__:
        if name not in ("elapsed", "_rows"):
            assert same(getattr(detour, name), getattr(straight, name)), name


def test_a_run_goes_on_in_another_process(rng, path, tmp_path):
    X, y = problem(rng, 60, 3)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    how = dict(learning_rate=0.01, momentum=0.5, average=True, fit_intercept=True, standardize=True)
    first = fastgd.sgd(X, y, n_epochs=3, shuffle=True, **how)
    first.save(path)
    code = """
import sys
import numpy as np
import fastgd
fit = fastgd.load(sys.argv[1])
X, y = np.load(sys.argv[2]), np.load(sys.argv[3])
how = dict(learning_rate=0.01, momentum=0.5, average=True, fit_intercept=True, standardize=True)
fit = fastgd.sgd(X, y, w0=fit, n_epochs=4, shuffle=True, **how)
print(fit.w.tobytes().hex(), fit.seed)
"""
    done = run(code, path, tmp_path / "X.npy", tmp_path / "y.npy")
    straight = fastgd.sgd(X, y, w0=first, n_epochs=4, shuffle=True, **how)
    assert done.stdout.split() == [straight.w.tobytes().hex(), str(first.seed)], done.stderr


@pytest.mark.parametrize("w0", [1, 1.5, np.float32(0.1), OtherNumber(), None], ids=str)
@pytest.mark.parametrize("X", [XS, tuple(XS), [1, 2, 3], np.array(XS, np.float32)], ids=repr)
def test_the_trace_is_the_same(path, X, w0):
    fit = fastgd.sgd(X, YS, w0=w0, learning_rate=0.01, n_epochs=3, history="samples")
    again = kept(fit, path)
    assert again.trace() == fit.trace()
    assert again.predict(4) == fit.predict(4)
    assert again.status == fit.status


def test_many_samples_of_any_kind_are_kept(rng, path):
    rows = [tuple(row) for row in rng.standard_normal((9000, 3)).tolist()]
    fit = fastgd.sgd(rows, [sum(row) for row in rows], n_epochs=1, history="samples", backend="python")
    again = kept(fit, path)
    assert again._samples == ([list(row) for row in rows], fit._samples[1])
    assert path.stat().st_size < 9000 * 8 * 8


def test_fits_of_every_end_are_kept(rng, path):
    X, y = problem(rng, 40, 2)
    with pytest.warns(fastgd.ConvergenceWarning):
        fits = [fastgd.gradient_descent(X, y, n_epochs=2, tol=1e-12)]
    fits += [
        fastgd.gradient_descent(X, y, n_epochs=0),
        fastgd.gradient_descent(X, y, n_epochs=2000, tol="auto"),
        fastgd.gradient_descent(X, y, n_epochs=3, history=None),
        fastgd.sgd(X, y, n_epochs=3, history="costs", validation_fraction=0.2),
        fastgd.gradient_descent(X * [1.0, 0.0], y, standardize=True, n_epochs=3),
        fastgd.gradient_descent(X[:, 0], y, learning_rate=lambda epoch: 0.1, fit_intercept=True, n_epochs=3),
        *fastgd.sweep(X, y, learning_rates=[0.1, 0.2], n_epochs=3).fits,
        fastgd.gradient_descent(X, y, n_epochs=9, callback=lambda state: state.epoch == 4),
    ]
    for fit in fits:
        assert same(kept(fit, path).__getstate__(), fit.__getstate__())
        assert same(pickle.loads(pickle.dumps(fit)).__getstate__(), fit.__getstate__())
    for call in (fastgd.gradient_descent, fastgd.sgd):
        with pytest.raises(fastgd.DivergenceError) as caught:
            call(X, y, learning_rate=1e3, n_epochs=500)
        result = caught.value.result
        assert same(kept(result, path).__getstate__(), result.__getstate__())


def test_the_file_is_the_one_that_was_named(path):
    fit = fastgd.gradient_descent(XS, YS, n_epochs=2)
    fit.save(str(path))
    assert [one.name for one in path.parent.iterdir()] == ["model"]
    with np.load(path) as found:
        assert "header" in found.files
    with pytest.raises(FileNotFoundError):
        fastgd.load(path.parent / "other.npz")
    npz.write(path, "checkpoint", None)
    with pytest.raises(
        InvalidDataError,
        match=rf"^{path} holds a checkpoint, not a fit or a fit of targets or a summary or a group",
    ):
        fastgd.load(path)


def test_a_file_does_not_hold_the_data(rng, path):
    X, y = problem(rng, 4000, 5)
    fit = fastgd.gradient_descent(X, y, n_epochs=2, method="stream", history=None, backend="python")
    fit.save(path)
    assert path.stat().st_size < 10_000


def _set(name, value):
    def change(values):
        values[name] = value

    return change


def _state(name, value, of=None):
    def change(values):
        if of is None:
            values["_state"] = values["_state"]._replace(**{name: value})
            return
        part = getattr(values["_state"], of)
        if isinstance(part, tuple):
            values["_state"] = values["_state"]._replace(**{of: part._replace(**{name: value})})
        else:
            object.__setattr__(part, name, value)

    return change


CHANGES = [
    _set("w", "abc"), _set("w", np.ones(2)), _set("w", np.ones(3, np.float32)), _set("w", 1.0),
    _set("w", None),
    _set("n_epochs", -1), _set("n_epochs", 2.0), _set("converged", None), _set("intercept", np.ones(1)),
    _set("w_history", np.ones((4, 2))), _set("w_history", np.ones(9)), _set("cost_history", [1.0]),
    _set("learning_rates", None), _set("solver", np.ones(1)), _set("solver", "newton"), _set("_order", 3),
    _set("_order", (False, 0)), _set("_last", (np.ones(2), 0.0)), _set("_last", (np.ones(3),)),
    _set("_samples", 3), _set("_samples", [[], []]), _set("_stopped", None), _set("_constant", [1]),
    _set("_is_revoked", 1),
    _set("_state", {}), _set("_rows", 3), lambda values: values.pop("w"),
    _state("solver", 1), _state("epoch", -1), _state("order", None),
    _state("identity", []), _state("carried", 3),
    _state("scaling", None), _state("first_rate", "0.1"), _state("reference", (1, 2)), _state("reference", 1),
    _state("point", np.ones(1), "carried"), _state("before", np.ones(1), "carried"),
    _state("momentum", np.ones(3), "carried"), _state("average", np.ones(2), "carried"),
    _state("average", 1.0, "carried"), _state("counts", np.ones(2), "carried"),
    _state("counts", np.array([0, 5]), "carried"), _state("point", None, "carried"),
    _state("gradient", np.ones(4), "carried"), _state("epoch_start", np.ones(4), "carried"),
    _state("passes", 3, "carried"), _state("stage", 1, "carried"), _state("has_converged", True, "carried"),
    _state("shift", np.ones(9), "scaling"), _state("has_intercept", 1, "scaling"),
    _state("scale", np.ones(3, np.int64), "scaling"),
    lambda values: _state("reference", values["_state"].reference._replace(x_ref=np.ones(1)))(values),
    lambda values: _state("reference", values["_state"].reference._replace(w_ref=np.ones(1)))(values),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_of_no_fit_is_refused(rng, path, change):
    """What goes on from it hands its arrays to compiled code, which trusts their sizes."""
    X, y = problem(rng, 40, 3)
    fit = fastgd.gradient_descent(X, y, fit_intercept=True, nesterov=True, n_epochs=3)
    values = pickle.loads(pickle.dumps(fit)).__getstate__()
    change(values)
    arrays: dict[str, np.ndarray] = {}
    tree = {name: npz.pack(value, arrays, f"fit.{name}") for name, value in values.items()}
    forge(path, file_header({"FitResult": tree}), *arrays.items())
    with pytest.raises(InvalidDataError, match=rf"^{path} holds "):
        fastgd.load(path)


def test_a_reference_of_another_size_is_refused(path):
    fit = fastgd.gradient_descent(np.arange(12.0).reshape(6, 2), np.arange(6.0), method="summary", n_epochs=2)
    reference = fit._state.reference._replace(w_ref=np.ones(1))
    fit._state = fit._state._replace(reference=reference)
    fit.save(path)
    with pytest.raises(InvalidDataError, match=r"holds an invalid reference$"):
        fastgd.load(path)


def test_a_class_of_another_name_is_never_made(path):
    forge(path, file_header({"Popen": {"args": "true"}}))
    with pytest.raises(InvalidDataError, match=rf"^{path} holds a 'Popen', which is not made from files$"):
        fastgd.load(path)
    for value in (None, {"dict": {}}, {"Order": {"shuffle": False, "seed": 0}}):
        forge(path, file_header(value))
        with pytest.raises(InvalidDataError, match=rf"^{path} holds an invalid value$"):
            fastgd.load(path)
