"""Options that are refused, each with one sentence."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.solver import loop

BAD = [
    (dict(tol=-1e-3), ValueError, r"^tol must not be negative, not -0\.001$"),
    (dict(tol="small"), TypeError, r"^tol must be a number, not 'small'$"),
    (dict(tol=np.nan), ValueError, r"^tol must be finite, not nan$"),
    (dict(patience=0), ValueError, r"^patience must be at least 1, not 0$"),
    (dict(patience=1.5), TypeError, r"^patience must be a whole number, not 1\.5$"),
    (
        dict(validation_fraction=0.0),
        ValueError,
        r"^validation_fraction must be above 0 and at most 0\.5, not",
    ),
    (dict(validation_fraction=0.7), ValueError, r"^validation_fraction must be above 0 .*, not 0\.7$"),
    (dict(validation_fraction="a"), TypeError, r"^validation_fraction must be a number, not 'a'$"),
    (dict(validation_fraction=0.2), ValueError, r"^validation_fraction=0\.2 holds out one row in 5, and"),
    (
        dict(validation_fraction=0.5, sample_weight=[1, 0, 1]),
        ValueError,
        r"^sample_weight is zero for every one of",
    ),
    (dict(callback=3), TypeError, r"^callback must be a function of the epoch's state, not 3$"),
    (dict(method="fold"), ValueError, r"^method must be 'auto' or 'summary' or 'stream', not 'fold'$"),
    (
        dict(method="summary", loss="huber"),
        ValueError,
        r'^method="summary" is for squared errors only; pass',
    ),
    (dict(method="summary", backend="python"), ValueError, r'^method="summary" needs the compiled kernels'),
    (dict(w0=[1.0, 2.0]), ValueError, r"^w0 has shape \(2,\); X has shape \(n,\), so w0 is one number"),
]


BAD_OF_SGD = [
    (
        dict(method="summary", l2=0.1),
        ValueError,
        r'^method="summary" of SGD takes single steps on squared',
    ),
    (dict(method="summary", batch_size=2), ValueError, r'^method="summary" of SGD takes single steps'),
    (dict(method="summary", average=True), ValueError, r'^method="summary" of SGD takes single steps'),
    (
        dict(method="summary", shuffle=True),
        ValueError,
        r'^shuffle=True shuffles single rows: method="summary"',
    ),
    (
        dict(history="samples", fit_intercept=True),
        ValueError,
        r'^history="samples" records the steps of the plain',
    ),
    (dict(history="samples", l2=0.1), ValueError, r'^history="samples" records the steps of the plain'),
    (
        dict(history="samples", batch_size=2),
        ValueError,
        r'^history="samples" records the steps of the plain',
    ),
    (
        dict(history="samples", sample_weight=[1, 1, 2]),
        ValueError,
        r'^history="samples" records the steps of',
    ),
    (
        dict(history="samples", loss="huber"),
        ValueError,
        r'^history="samples" records the steps of the plain',
    ),
    (dict(shuffle="rows"), ValueError, r"^shuffle must be False or 'blocks' or True, not 'rows'$"),
    (dict(track_cost=1), ValueError, r"^track_cost must be True or False, not 1$"),
    (dict(seed=-1), ValueError, r"^seed must be at least 0, not -1$"),
]


@pytest.mark.parametrize(("given", "error", "message"), BAD + BAD_OF_SGD)
def test_bad_options_get_one_sentence(given, error, message):
    is_of_both = any(given is one[0] for one in BAD)
    for fit_by in (fastgd.gradient_descent, fastgd.sgd) if is_of_both else (fastgd.sgd,):
        with pytest.raises(error, match=message) as caught:
            fit_by([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], learning_rate=0.01, **given)
        assert "\n" not in str(caught.value)


def test_history_of_samples_is_not_of_full_batch_descent():
    with pytest.raises(ValueError, match=r"^history must be 'epochs' or 'costs' or None, not 'samples'$"):
        fastgd.gradient_descent([1.0], [1.0], history="samples")


@pytest.mark.parametrize(("n_epochs", "kept"), [(7_000, True), (8_000, False)])
def test_gradients_are_kept_where_there_is_room_for_them(monkeypatch, n_epochs, kept):
    monkeypatch.setattr(loop, "HISTORY_BYTES", 8 * 30_000)
    X, y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
    fit = fastgd.gradient_descent(X, y, n_epochs=n_epochs, learning_rate=0.01)
    assert len(fit.w_history) == n_epochs + 1
    assert (fit.gradient_history is not None) == kept
    result = fastgd.sweep(X, y, n_epochs=3_600, learning_rates=[0.01, 0.02])
    assert result.fits[0].gradient_history is not None
    result = fastgd.sweep(X, y, n_epochs=4_000, learning_rates=[0.01, 0.02])
    assert result.fits[0].gradient_history is None
