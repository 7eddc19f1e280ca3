"""Bad input: one sentence with the value, the place and the remedy, before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
FITS = [fastgd.gradient_descent, fastgd.sgd]


@pytest.mark.parametrize("fit_by", FITS)
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (dict(X=[1.0, 2.0]), ValueError, "^y has 3 rows and X has 2; they must agree$"),
        (dict(X=[], y=[]), ValueError, "^X and y have no rows; at least one is needed$"),
        (dict(X=np.zeros((3, 0))), ValueError, r"^X has shape \(3, 0\), no columns; at least one is needed$"),
        (dict(X=1.0), ValueError, "^X has 0 dimensions; it must have 1"),
        (dict(X=np.zeros((3, 1, 1))), ValueError, "^X has 3 dimensions; it must have 1"),
        (dict(y=np.zeros((3, 1, 1))), ValueError, r"^y has shape \(3, 1, 1\); it must have one dimension"),
        (
            dict(X=[[1.0], [2.0, 3.0], [4.0]]),
            ValueError,
            "^X is ragged: its rows must all have the same length$",
        ),
        (dict(X=[1.0, np.nan, 3.0]), ValueError, r"^X\[1\] is NaN; drop such rows or fill them$"),
        (dict(X=[[1.0, 2.0], [3.0, np.inf], [np.nan, 6.0]]), ValueError, r"^X\[1, 1\] is infinite; drop"),
        (dict(y=[1.0, 2.0, -np.inf]), ValueError, r"^y\[2\] is minus infinite; drop"),
        (dict(w0=np.nan), ValueError, "^w0 is NaN; weights must be finite$"),
        (dict(w0=[1.0]), ValueError, r"^w0 has shape \(1,\); X has shape \(n,\), so w0 is one number "),
        (
            dict(X=np.ones((3, 2)), w0=[1.0]),
            ValueError,
            r"^w0 has shape \(1,\); X has 2 columns, so it must be \(2,\)$",
        ),
        (
            dict(X=[1j, 2, 3]),
            ValueError,
            r"^X holds complex numbers \(complex128\); it must hold real numbers$",
        ),
        (dict(y=["a", "b", "c"]), ValueError, r"^y holds text \(<U1\); it must hold real numbers$"),
        (dict(X=np.array([1, None, 3], object)), ValueError, r"^X\[1\] is None; X must hold real numbers$"),
        (dict(X=np.array(["2026-01-01"] * 3, "datetime64[D]")), ValueError, "^X holds dates"),
        (
            dict(X=np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0])),
            ValueError,
            "^X is a masked array; fill or drop",
        ),
        (dict(X=object()), ValueError, "^X is of type object; X must hold real numbers$"),
        (dict(learning_rate=0.0), ValueError, r"^learning_rate must be positive, not 0\.0$"),
        (dict(learning_rate=-1), ValueError, "^learning_rate must be positive, not -1$"),
        (dict(learning_rate=np.inf), ValueError, "^learning_rate must be finite, not inf$"),
        (
            dict(learning_rate="fast"),
            ValueError,
            "^learning_rate must be \"auto\", a number, an array or a function, not 'fast'$",
        ),
        (dict(learning_rate=True), TypeError, "^learning_rate must be a number, not True$"),
        (dict(learning_rate=None), TypeError, "^learning_rate must be a number, not None$"),
        (
            dict(learning_rate=[0.1, 0.2]),
            ValueError,
            "^learning_rate has 2 rates for 100 epochs; they must agree$",
        ),
        (
            dict(learning_rate=[0.1] * 99 + [-1.0]),
            ValueError,
            r"^learning_rate\[99\] must be positive, not -1\.0$",
        ),
        (dict(learning_rate=lambda epoch: 0.1 - epoch), ValueError, r"^learning_rate\(1\) must be positive"),
        (dict(learning_rate=10**400), ValueError, "^learning_rate must be finite, not 1000"),
        (dict(learning_rate=np.True_), TypeError, "^learning_rate must be a number, not True$"),
        (
            dict(learning_rate=np.complex128(0.1 + 1j)),
            TypeError,
            r"^learning_rate must be a number, not \(0\.1\+1j\)$",
        ),
        (
            dict(learning_rate=[[0.1], [0.1, 0.2]], n_epochs=2),
            TypeError,
            r"^learning_rate\[0\] must be a number",
        ),
        (dict(w0=10**400), ValueError, "^w0 is too large for a float$"),
        (dict(n_epochs=-1), ValueError, "^n_epochs must be at least 0, not -1$"),
        (dict(n_epochs=1.5), TypeError, r"^n_epochs must be a whole number, not 1\.5$"),
        (dict(n_epochs="3"), TypeError, "^n_epochs must be a whole number, not '3'$"),
        (dict(n_threads=0), ValueError, "^n_threads must be at least 1, not 0$"),
        (dict(backend="cuda"), ValueError, "^backend must be 'auto' or 'numba' or 'python', not 'cuda'$"),
        (dict(history="all"), ValueError, "^history must be 'epochs' or .*, not 'all'$"),
        (
            dict(on_divergence="stop"),
            ValueError,
            "^on_divergence must be 'raise' or 'warn' or 'ignore', not 'stop'$",
        ),
        (
            dict(learning_rat=0.1),
            TypeError,
            r"^\w+\(\) got an unexpected keyword 'learning_rat'; did you mean learning_rate\?$",
        ),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, dict) else "",
)
def test_bad_input_gets_one_sentence(fit_by, given, error, message):
    arguments = dict(X=XS, y=YS, learning_rate=0.01) | given
    with pytest.raises(error, match=message) as caught:
        fit_by(arguments.pop("X"), arguments.pop("y"), **arguments)
    assert "\n" not in str(caught.value)
    if given.keys() & {"X", "y", "w0"}:
        assert isinstance(caught.value, fastgd.InvalidDataError)


def test_nan_in_row_seven_thousand_is_found_by_both_backends():
    X, y = np.ones((9000, 3)), np.ones(9000)
    X[7001, 2] = np.nan
    for fit_by in FITS:
        for backend in ("numba", "python"):
            with pytest.raises(
                fastgd.InvalidDataError, match=r"^X\[7001, 2\] is NaN; drop such rows or fill them$"
            ):
                fit_by(X, y, learning_rate=0.1, n_epochs=2, backend=backend)


@pytest.mark.parametrize("on_divergence", ["raise", "warn", "ignore"])
def test_nan_data_is_bad_input_not_divergence(on_divergence):
    for fit_by in FITS:
        with pytest.raises(fastgd.InvalidDataError, match=r"X\[1\] is NaN"):
            fit_by([1.0, np.nan], [1.0, 2.0], learning_rate=0.1, on_divergence=on_divergence, history=None)


SCALARS = {
    "n_epochs": np.float64(3.5),
    "learning_rate": np.float32(-0.5),
    "momentum": np.float64(1.5),
    "l2": np.int64(-3),
    "tol": np.float64(-0.25),
    "validation_fraction": np.float64(0.75),
    "history": np.str_("all"),
    "loss": np.str_("hunger"),
    "fit_intercept": np.int64(1),
    "callback": np.int64(3),
    "n_threads": np.int64(0),
    "checkpoint": np.int64(7),
}


@pytest.mark.parametrize(("name", "value"), SCALARS.items(), ids=SCALARS)
def test_sentences_show_numpys_scalars_as_pythons(name, value):
    with pytest.raises((ValueError, TypeError)) as caught:
        fastgd.gradient_descent(XS, YS, **{name: value})
    assert "np." not in str(caught.value)
    assert repr(value.item()) in str(caught.value)


def test_sentences_show_numpys_scalars_in_lists_as_pythons():
    for call in (
        lambda: fastgd.sweep(XS, YS, learning_rates={np.float64(0.5)}),
        lambda: fastgd.gradient_descent(np.array([[1.0, np.str_("b")]], dtype=object), [1.0]),
        lambda: fastgd.read_table("t.csv", target=np.int64(3)),
        lambda: fastgd.diagnose(XS, YS).epochs_to(np.float64(2.0)),
        lambda: fastgd.make_linear(10, dtype=np.int64(3)),
    ):
        with pytest.raises((ValueError, TypeError, FileNotFoundError)) as caught:
            call()
        assert "np." not in str(caught.value)
