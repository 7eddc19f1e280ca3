"""What a checkpoint is refused for, a seed that it keeps, and full disks."""

from __future__ import annotations

import errno
import os
import warnings

import numpy as np
import pytest

import fastgd
from fastgd.io import npz
from fastgd.solver import checkpoint
from tests.crashes import (  # noqa: F401 - fixtures
    BLOCK,
    FULL,
    GD,
    MOST,
    SGD,
    N,
    bits,
    fate,
    fit_of,
    problem,
    small_runs,
    source,
    weights,
)
from tests.helpers import file_header, forge

pytestmark = pytest.mark.usefixtures("small_runs")


# What is refused ------------------------------------------------------------------------------------------


def kept_run(path, **more):
    """A run and its data, kept."""
    X, y = problem()
    GD(X, y, **dict(n_epochs=3, learning_rate=0.1, checkpoint=path) | more)
    return X, y


def refusal(X, y, path, **how):
    with pytest.raises(ValueError, match="run.npz") as caught:
        GD(X, y, **dict(n_epochs=3, learning_rate=0.1, resume=path) | how)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    return sentence.removeprefix(str(path))


def test_other_data_is_refused_by_what_differs(tmp_path):
    path = tmp_path / "run.npz"
    X, y = kept_run(path)
    assert f" rows is {MOST - 1} here and {MOST} there (other data)" in refusal(X[:-1], y[:-1], path)
    assert " columns is 2 here and 3 there" in refusal(X[:, :2], y, path)
    assert "dtypes is 'float32, float64' here and 'float64, float64' there" in refusal(
        X.astype("f4"), y, path
    )
    assert " sampled values is " in refusal(X, y + 1e-9, path)
    moved = y.copy()
    moved[-1] += 1.0
    assert " sampled values is " in refusal(X, moved, path)
    assert " weighted is True here and False there" in refusal(X, y, path, sample_weight=weights())


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("n_epochs", 4, "n_epochs is 4 here and 3 there"),
        ("learning_rate", 0.2, "learning_rate is 0.2 here and 0.1 there"),
        ("learning_rate", [0.1, 0.1, 0.1], "learning_rate is '[3] numbers, "),
        ("learning_rate", lambda epoch: 0.1, "learning_rate is 'of type function' here and 0.1 there"),
        ("l1", 0.5, "l1 is 0.5 here and 0.0 there"),
        ("l2", 0.5, "l2 is 0.5 here and 0.0 there"),
        ("momentum", 0.5, "momentum is 0.5 here and 0.0 there"),
        ("nesterov", True, "nesterov is True here and False there"),
        ("fit_intercept", True, "fit_intercept is True here and False there"),
        ("standardize", True, "standardize is True here and False there"),
        ("loss", "huber", "loss is "),
        ("tol", 0.1, "tol is 0.1 here and None there"),
        ("patience", 2, "patience is 2 here and 5 there"),
        ("validation_fraction", 0.2, "validation_fraction is 0.2 here and None there"),
        ("method", "stream", "method is 'stream' here and 'auto' there"),
        ("history", None, "history is None here and 'epochs' there"),
        ("on_divergence", "warn", "on_divergence is 'warn' here and 'raise' there"),
        ("backend", "python", "backend is 'python' here and 'numba' there"),
        ("w0", [1.0, 2.0, 3.0], "w0 is '[3] numbers, "),
    ],
)
def test_other_options_are_refused_each_with_both_values(tmp_path, name, value, sentence):
    X, y = kept_run(tmp_path / "run.npz")
    said = refusal(X, y, tmp_path / "run.npz", **{name: value})
    assert said.startswith(f" is the checkpoint of another run: {sentence}")
    assert said.endswith("(other options); resume with the same, or start again without resume")


def test_losses_of_one_parameter_each_are_not_one_another(tmp_path):
    path = tmp_path / "run.npz"
    X, y = kept_run(path, loss=fastgd.losses.Huber(0.5))
    assert "loss is " in refusal(X, y, path, loss=fastgd.losses.Quantile(0.5))
    assert "loss is " in refusal(X, y, path, loss=fastgd.losses.Huber(0.7))
    assert GD(X, y, n_epochs=3, learning_rate=0.1, loss=fastgd.losses.Huber(0.5), resume=path).n_epochs == 3


def test_options_of_sgd_are_refused(tmp_path):
    X, y = problem()
    path, how = tmp_path / "run.npz", dict(n_epochs=2, learning_rate=0.01, shuffle="blocks", seed=3)
    SGD(X, y, **how, checkpoint=path)
    for name, value, there in [
        ("seed", 4, 3),
        ("shuffle", True, "blocks"),
        ("batch_size", 2, 1),
        ("average", True, False),
        ("track_cost", True, False),
    ]:
        with pytest.raises(ValueError, match=f"{name} is {value!r} here and {there!r} there"):
            SGD(X, y, **how | {name: value}, resume=path)
    with pytest.raises(ValueError, match="solver is 'gradient_descent' here and 'sgd' there"):
        GD(X, y, n_epochs=2, learning_rate=0.01, resume=path)


def test_rates_of_a_function_that_is_another_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    X, y = kept_run(path, learning_rate=lambda epoch: 0.1)
    sentence = "the learning rate of epoch 2 is 0.25 here and 0.1"
    assert sentence in refusal(X, y, path, learning_rate=lambda epoch: 0.1 if epoch < 2 else 0.25)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    X, y = kept_run(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert "is not a whole fastgd file" in refusal(X, y, path)
    path.write_bytes(whole[:700] + b"?" + whole[701:])
    assert "is not a whole fastgd file (Bad CRC-32" in refusal(X, y, path)
    path.write_bytes(b"")
    assert "is not a whole fastgd file" in refusal(X, y, path)
    GD(X, y).save(path)
    assert "holds a fit, not a checkpoint" in refusal(X, y, path)
    with pytest.raises(FileNotFoundError):
        GD(X, y, resume=tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match="there is no folder .* for the checkpoint"):
        GD(X, y, checkpoint=tmp_path / "none" / "run.npz")
    with pytest.raises(TypeError, match="checkpoint must be the path of a file, not 3"):
        GD(X, y, checkpoint=3)
    with pytest.raises(ValueError, match="checkpoint_every"):
        GD(X, y, checkpoint=path, checkpoint_every=-1.0)


def replace_in_state(content, **values):
    content["point"]["state"] = content["point"]["state"]._replace(**values)


def forged(path, change):
    """Change the content of the checkpoint at `path` in a way that no run does."""
    content = checkpoint.vars_of(npz.read(path, {checkpoint.KIND: checkpoint.Content}))
    content["point"] = content["point"]._asdict()
    change(content)
    arrays: dict[str, np.ndarray] = {}
    tree = {name: npz.pack(value, arrays, name) for name, value in content.items()}
    tree["point"] = {"LoopState": tree["point"]["dict"]}
    forge(path, file_header({"Content": tree}, kind=checkpoint.KIND), *arrays.items())


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("places"),
        lambda content: content.update(before="two"),
        lambda content: content.update(places=[3]),
        lambda content: content["point"].pop("state"),
        lambda content: content["point"].update(epoch=10**6),
        lambda content: content["point"].update(epoch=-1),
        lambda content: content["point"].update(costs=np.zeros((3, 3))),
        lambda content: content["point"].update(state=3),
        lambda content: replace_in_state(content, point=np.zeros(0)),
        lambda content: replace_in_state(content, point=np.zeros(3, "f4")),
        lambda content: replace_in_state(content, gradient=[1.0]),
        lambda content: replace_in_state(content, gradient=np.zeros(2)),
        lambda content: replace_in_state(content, passes="many"),
        lambda content: replace_in_state(content, stage=2),
        lambda content: (replace_in_state(content, stage=2), content["point"].update(w_ref=np.zeros(3))),
        lambda content: replace_in_state(content, epoch=3),
        lambda content: replace_in_state(content, counts=np.array([0, 0])),
        lambda content: content["point"].update(epoch=np.inf),
        lambda content: content["point"].update(first_cost="q"),
        lambda content: content["point"].update(callbacks=3),
        lambda content: content["point"].update(rates=np.zeros((2, 2))),
    ],
)
def test_what_no_run_writes_reaches_no_kernel(tmp_path, change):
    path = tmp_path / "run.npz"
    X, y = kept_run(path, method="stream")
    forged(path, change)
    assert "holds " in refusal(X, y, path, method="stream")


@pytest.mark.parametrize(
    "w_ref", [np.array([1, 2, 3]), np.ones(3, complex), np.ones(3, np.float32), np.ones(2), [1.0] * 3, None]
)
def test_a_reference_of_maps_that_no_run_writes_is_refused(tmp_path, w_ref):
    path = tmp_path / "run.npz"
    X, y = problem()
    how = dict(method="summary", learning_rate=1e-3, n_epochs=3)
    SGD(X, y, **how, checkpoint=path)
    forged(path, lambda content: (replace_in_state(content, stage=1), content["point"].update(w_ref=w_ref)))
    with pytest.raises(fastgd.InvalidDataError, match="run.npz holds "):
        SGD(X, y, **how, resume=path)


@pytest.mark.parametrize("epoch", [-1, 2, 2**70])
def test_an_epoch_that_the_run_has_not_reached_is_refused(tmp_path, epoch):
    """It would draw another order of rows."""
    path = tmp_path / "run.npz"
    X, y = problem()
    how = dict(method="stream", learning_rate=1e-3, n_epochs=3, shuffle=True, seed=4)
    SGD(X, y, **how, checkpoint=path)
    forged(path, lambda content: replace_in_state(content, epoch=epoch))
    with pytest.raises(fastgd.InvalidDataError, match="run.npz holds "):
        SGD(X, y, **how, resume=path)


def test_other_versions_are_told(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "__version__", "0.0.1")
        X, y = kept_run(path)
    with pytest.warns(RuntimeWarning, match=r"other versions \(fastgd 0.0.1 there and .* here\)") as caught:
        GD(X, y, n_epochs=3, learning_rate=0.1, resume=path)
    assert [one.filename for one in caught] == [__file__]


def test_a_seed_that_was_drawn_is_kept(tmp_path, fate):  # noqa: F811
    X, y = problem()
    path, how = tmp_path / "run.npz", dict(n_epochs=3, learning_rate=0.01)
    for shuffle, moment in [(True, 2), ("blocks", 5), ("blocks", 0)]:
        assert fate.run(lambda: SGD(X, y, shuffle=shuffle, checkpoint=path, **how), moment) is None  # noqa: B023
        got = [SGD(X, y, shuffle=shuffle, resume=path, **how) for _ in range(2)]
        seed = got[0]._order.seed
        assert bits(got[0]) == bits(got[1]) == bits(SGD(X, y, shuffle=shuffle, seed=seed, **how))
        path.unlink()


def test_where_a_run_goes_on_is_found_again_from_another_path(tmp_path, fate):  # noqa: F811
    fit, first, second = fit_of("sgd, blocks"), tmp_path / "first.npz", tmp_path / "second.npz"
    whole = bits(fit())
    assert fate.run(lambda: fit(checkpoint=first), 9) is None
    before = first.read_bytes()
    assert fate.run(lambda: fit(checkpoint=second, resume=first), 2) is None
    assert first.read_bytes() == before
    assert bits(fit(resume=second)) == whole


# Full disks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [GD, SGD])
def test_a_full_disk_costs_a_warning_and_the_next_checkpoint_only(tmp_path, monkeypatch, fate, solver):  # noqa: F811
    X, y = problem()
    path, how = tmp_path / "run.npz", dict(n_epochs=4, method="stream", learning_rate=0.01)
    whole = bits(solver(X, y, **how))
    assert fate.run(lambda: solver(X, y, **how, checkpoint=path), 7) is None
    before = path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = solver(X, y, **how, checkpoint=path, checkpoint_every=0.0)
    assert bits(fit) == whole
    assert caught
    for one in caught:
        assert one.category is RuntimeWarning
        assert one.filename == __file__
        assert f"the checkpoint {path} could not be written (OSError: No space left" in str(one.message)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.npz"]
    assert bits(solver(X, y, **how, resume=path)) == whole


# Killed for good ------------------------------------------------------------------------------------------
