"""A run that was killed and resumed is the run that nothing interrupted, to the bit."""

from __future__ import annotations

import errno
import os
import random
import signal
import time
import warnings

import numpy as np
import pytest

import fastgd
from fastgd.io import npz
from fastgd.solver import checkpoint
from tests.conftest import JIT_IS_OFF
from tests.crashes import BLOCK, bits, fate, small_runs  # noqa: F401 - fixtures
from tests.helpers import about, forge

pytestmark = pytest.mark.usefixtures("small_runs")

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


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::fastgd.ConvergenceWarning")
@pytest.mark.slow
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
        if path.exists():
            assert bits(fit(resume=path)) == whole


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


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::fastgd.ConvergenceWarning")
@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("chunks")])
def test_interrupted_anywhere_the_whole_epochs_are_there_and_nothing_is_lost(case, fate, tmp_path):  # noqa: F811
    fit, path = fit_of(case), tmp_path / "run.npz"
    whole = fit()
    fate.run(lambda: fit(checkpoint=path))
    fate.how = KeyboardInterrupt
    last = -1
    for moment in range(0, fate.moments, 1 + fate.moments // 8):
        path.unlink(missing_ok=True)
        with pytest.raises(KeyboardInterrupt) as caught:
            fate.run(lambda: fit(checkpoint=path), moment, 10**9)  # written at the interrupt alone
        got = caught.value.result
        assert last <= got.n_epochs <= whole.n_epochs
        last = got.n_epochs
        for name, more in [("w", 1), ("intercept", 1), ("cost", 1), ("loss", 0), ("validation", 0)]:
            kept, expected = (getattr(one, f"{name}_history") for one in (got, whole))
            if kept is not None and (last or name == "w"):
                assert kept.tobytes() == expected[: last + more].tobytes()
        got.save(tmp_path / "result.npz")  # whose parts are of one size:
        assert fastgd.load(tmp_path / "result.npz").n_epochs == last
        assert bits(fit(resume=path)) == bits(whole)


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
    assert said.endswith("(other options); resume with the same, or start anew without resume")


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


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("places"),
        lambda content: content.update(before="two"),
        lambda content: content.update(places=[3]),
        lambda content: content["point"].pop("stepper"),
        lambda content: content["point"].update(epoch=10**6),
        lambda content: content["point"].update(epoch=-1),
        lambda content: content["point"].update(costs=np.zeros((3, 3))),
        lambda content: content["point"]["stepper"].update(w=np.zeros(0)),
        lambda content: content["point"]["stepper"].update(w=np.zeros(3, "f4")),
        lambda content: content["point"]["stepper"].update(_gradient=[1.0]),
        lambda content: content["point"]["stepper"].update(passes="many"),
        lambda content: content["point"].update(rates=np.zeros((2, 2))),
    ],
)
def test_what_no_run_writes_reaches_no_kernel(tmp_path, change):
    path = tmp_path / "run.npz"
    X, y = kept_run(path, method="stream")
    content = checkpoint.vars_of(npz.read(path, checkpoint.KIND, checkpoint.Content))
    change(content)
    arrays: dict[str, np.ndarray] = {}
    tree = {name: npz.pack(value, arrays, name) for name, value in content.items()}
    forge(path, about({"Content": tree}, kind=checkpoint.KIND), *arrays.items())
    assert "holds " in refusal(X, y, path, method="stream")


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("solver", [GD, SGD])
def test_killed_at_ten_random_moments_the_bits_are_those_of_one_run(tmp_path, monkeypatch, solver):
    """By SIGKILL, in a child that goes on from the checkpoint of the one before; in reads and between."""
    monkeypatch.undo()  # the grid and the disk as they are
    checkpoint.block_rows.cache_clear()
    X, y = problem()
    repeat = 3 if JIT_IS_OFF else 300
    X, y = np.tile(X, (repeat, 1)), np.tile(y, repeat)
    how = dict(n_epochs=20 if JIT_IS_OFF else 250, method="stream", learning_rate=0.001)
    began = time.monotonic()
    whole = bits(solver(X, y, **how))
    lasts = time.monotonic() - began
    path, moments, kills = tmp_path / "run.npz", random.Random(7), 0
    while True:
        resume = path if path.exists() else None
        child = os.fork()
        if not child:
            try:
                solver(X, y, **how, checkpoint=path, checkpoint_every=0.003, resume=resume)
                os._exit(0)
            finally:
                os._exit(1)
        if kills < 10:
            time.sleep(moments.uniform(0.0, 0.25) * lasts)
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0
            if kills == 10:
                break
            path.unlink()  # it was done before: from the start again
            continue
        kills += 1
    assert bits(solver(X, y, **how, resume=path)) == whole
