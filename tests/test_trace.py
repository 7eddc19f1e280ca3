"""The text of a run, character by character against what the lesson's own programs print."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastgd
from tests.conftest import JIT_IS_OFF
from tests.lesson_programs import FULL_BATCH, SLIDES, STOCHASTIC, printed

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
BACKENDS = ["numba", "python"]
finite = st.floats(-100, 100, allow_subnormal=False)


@pytest.mark.parametrize("backend", BACKENDS)
def test_full_batch_prints_the_lessons_lines(backend):
    fit = fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=0.01, backend=backend)
    assert fit.trace() == printed(FULL_BATCH, XS, YS)
    assert fit.trace().startswith(
        "Predict (before training) 4 4.0\nEpoch: 0 w= 1.0933333333333333 loss= 4.666666666666667\n"
    )
    assert fit.trace().count("\n") == 101


@pytest.mark.parametrize("backend", BACKENDS)
def test_sgd_prints_the_lessons_lines(backend):
    fit = fastgd.sgd(XS, YS, w0=1.0, learning_rate=0.01, history="samples", backend=backend)
    assert fit.trace() == printed(STOCHASTIC, XS, YS)
    assert "\n\tgrad:  1.0 2.0 -2.0\n\tgrad:  2.0 4.0 -7.84\n" in fit.trace()


@pytest.mark.parametrize("backend", BACKENDS)
def test_sgd_without_samples_prints_the_progress_lines(backend):
    fit = fastgd.sgd(XS, YS, w0=1.0, learning_rate=0.01, backend=backend)
    expected = [line for line in printed(STOCHASTIC, XS, YS).splitlines() if not line.startswith("\t")]
    assert fit.trace().splitlines() == expected


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    data=st.lists(st.tuples(finite, finite), min_size=1, max_size=12), w0=finite, rate=st.floats(1e-6, 1e-4)
)
def test_other_small_inputs_print_what_plain_python_prints(backend, data, w0, rate):
    xs, ys = [x for x, _ in data], [y for _, y in data]
    how = dict(w0=w0, learning_rate=rate, n_epochs=7, backend=backend)
    program = dict(w0=w0, rate=rate, n_epochs=7)
    assert fastgd.gradient_descent(xs, ys, **how).trace() == printed(FULL_BATCH, xs, ys, **program)
    fit = fastgd.sgd(xs, ys, history="samples", **how)
    assert fit.trace() == printed(STOCHASTIC, xs, ys, **program)


@pytest.mark.parametrize("n", [1, 2, 3, 100, 4096])
def test_a_whole_block_prints_what_plain_python_prints(rng, n):
    n = min(n, 200) if JIT_IS_OFF else n
    x, y = rng.standard_normal((2, n)).tolist()
    for program, fit in (
        (FULL_BATCH, fastgd.gradient_descent(x, y, w0=0.3, learning_rate=0.1, n_epochs=20)),
        (STOCHASTIC, fastgd.sgd(x, y, w0=0.3, learning_rate=0.1, n_epochs=20, history="samples")),
    ):
        assert fit.trace() == printed(program, x, y, w0=0.3, rate=0.1, n_epochs=20)


def test_integers_are_printed_as_integers():
    fit = fastgd.sgd([1, 2, 3], [2, 4, 6], w0=1.0, learning_rate=0.01, n_epochs=3, history="samples")
    assert fit.trace() == printed(STOCHASTIC, [1, 2, 3], [2, 4, 6], n_epochs=3)


def test_numbers_are_printed_as_they_were_given():
    xs, ys = [1, 2.0, True], [2, 4, 6.0]
    fit = fastgd.sgd(xs, ys, w0=1, learning_rate=0.01, n_epochs=3, history="samples")
    expected = printed(STOCHASTIC, list(xs), list(ys), w0=1, n_epochs=3)
    xs[0] = 99
    assert fit.trace() == expected
    assert expected.startswith("Predict (before training) 4 4\n\tgrad:  1 2 ")


def test_a_diverging_lesson_prints_its_infinities():
    fit = fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=1e80, n_epochs=7, on_divergence="ignore")
    assert fit.trace().splitlines()[-1] == "Predict (after training) 4 nan"
    assert "loss= inf" in fit.trace()


def test_two_digits_are_the_slides():
    fit = fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=0.01)
    assert fit.trace(digits=2) == SLIDES


def test_slides_in_full_have_every_epoch():
    fit = fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=0.01)
    lines = fit.trace(digits=2, full=True).splitlines()
    assert len(lines) == 102
    assert lines[50] == "Epoch:  49 w= 1.99 cost= 0.00"


def test_slides_of_sgd():
    fit = fastgd.sgd(XS, YS, w0=1.0, learning_rate=0.01, history="samples", n_epochs=1)
    assert fit.trace(digits=3).splitlines() == [
        "Predict (before training) 4 4.0",
        "\tgrad:  1.0 2.0 -2.000",
        "\tgrad:  2.0 4.0 -7.840",
        "\tgrad:  3.0 6.0 -16.229",
        "progress:   0 w= 1.261 loss= 4.919",
        "Predict (after training)   4  5.043",
    ]


def test_long_runs_are_abbreviated_unless_asked():
    fit = fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=0.01, n_epochs=1001)
    short = fit.trace().splitlines()
    assert len(short) == 11 + 1 + 10 + 2
    assert short[12] == "…………"
    assert short[13].startswith("Epoch: 991 ")
    assert len(fit.trace(full=True).splitlines()) == 1003
    assert fit.trace(full=True) == printed(FULL_BATCH, XS, YS, n_epochs=1001)


def test_several_weights():
    X, y = [[1.0, 2.0], [3.0, -1.0]], [3.0, 4.0]
    fit = fastgd.gradient_descent(X, y, learning_rate=0.1, n_epochs=1)
    # By hand: w0 = 0, residuals −3 and −4, cost 12.5, gradient (−15, −2).
    assert fit.trace() == "Epoch: 0 w= [1.5, 0.2] loss= 12.5"
    assert fit.trace(predict=[1, 1], digits=1).splitlines() == [
        "Predict (before training) [1, 1] 0.0",
        "Epoch:   0 w= [1.5, 0.2] cost= 12.5",
        "Predict (after training)   [1, 1]  1.7",
    ]


def test_predicting_another_x():
    fit = fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=0.01, n_epochs=0)
    assert fit.trace(predict=10) == "Predict (before training) 10 10.0\nPredict (after training) 10 10.0"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (dict(digits=-1), "digits must be at least 0, not -1"),
        (dict(digits=2.5), "digits must be a whole number, not 2.5"),
        (dict(predict=[1, 2]), r"predict has shape \(2,\); it must be one row of X, of shape \(\)"),
        (dict(predict="x"), "predict holds text"),
    ],
)
def test_bad_arguments(how, message):
    fit = fastgd.gradient_descent(XS, YS, learning_rate=0.01, n_epochs=1)
    with pytest.raises((ValueError, TypeError), match=message):
        fit.trace(**how)


def test_without_weights_there_is_no_trace():
    fit = fastgd.gradient_descent(XS, YS, learning_rate=0.01, history="costs")
    with pytest.raises(ValueError, match='history="epochs"'):
        fit.trace()


def test_no_epochs():
    fit = fastgd.sgd(np.array(XS), YS, w0=2.0, learning_rate=0.01, n_epochs=0)
    assert fit.trace() == "Predict (before training) 4 8.0\nPredict (after training) 4 8.0"
