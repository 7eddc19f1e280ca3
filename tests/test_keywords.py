"""Which keyword the user may have meant."""

from __future__ import annotations

import inspect

import pytest

import fastgd
from fastgd import keywords, schedules
from fastgd.estimators import GDClassifier, GDRegressor, GDRegressorCV, SGDClassifier, SGDRegressor

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
PUBLIC = [getattr(fastgd, name) for name in fastgd.__all__ if inspect.isfunction(getattr(fastgd, name))]
SCHEDULES = [schedules.inverse_scaling, schedules.exponential, schedules.step, schedules.cosine]
ESTIMATORS = [GDClassifier, GDRegressor, GDRegressorCV, SGDClassifier, SGDRegressor]

MEANT = [
    ("lr", "learning_rate"),
    ("eta0", "learning_rate"),
    ("alpha", "learning_rate (α of the lesson), or l2 (a penalty)"),
    ("epochs", "n_epochs"),
    ("max_iter", "n_epochs"),
    ("w", "w0"),
    ("x", "X"),
    ("weights", "w0 (the start), or sample_weight (one for each row)"),
    ("n_jobs", "n_threads"),
    ("verbose", "progress"),
    ("bias", "fit_intercept"),
    ("momentun", "momentum"),
    ("N_EPOCHS", "n_epochs"),
]


@pytest.mark.parametrize("fit_by", [fastgd.gradient_descent, fastgd.sgd])
@pytest.mark.parametrize(("given", "meant"), MEANT)
def test_a_fit_says_what_may_be_meant(fit_by, given, meant):
    with pytest.raises(TypeError) as caught:
        fit_by(XS, YS, **{given: 1})
    name = fit_by.__name__
    assert str(caught.value) == f"{name}() got an unexpected keyword {given!r}; did you mean {meant}?"


@pytest.mark.parametrize(
    ("call", "given", "meant"),
    [
        (fastgd.gradient, "theta", "w"),
        (fastgd.cost, "bias", "intercept"),
        (fastgd.sgd, "random_state", "seed"),
        (fastgd.sweep, "learning_rate", "learning_rates"),
        (fastgd.make_linear, "sigma", "noise"),
        (fastgd.cross_validate, "cv", "folds"),
        (fastgd.read_table, "label", "target"),
        (GDRegressor, "lr", "eta0"),
        (GDRegressor, "n_epochs", "max_iter"),
        (GDClassifier, "l2", "alpha"),
        (SGDRegressor, "seed", "random_state"),
        (GDRegressor().fit, "weight", "sample_weight"),
    ],
)
def test_each_function_has_its_own_names(call, given, meant):
    with pytest.raises(TypeError, match=f"unexpected keyword '{given}'; did you mean {meant}\\?$"):
        call(XS, YS, **{given: 1})


@pytest.mark.parametrize("call", [*PUBLIC, *SCHEDULES, *ESTIMATORS], ids=lambda call: call.__name__)
def test_nothing_near_is_suggested_nowhere(call):
    with pytest.raises(TypeError) as caught:
        call(zzqq=1)
    assert str(caught.value) == f"{call.__name__}() got an unexpected keyword 'zzqq'"


def test_all_unknown_keywords_are_in_one_sentence():
    with pytest.raises(TypeError) as caught:
        fastgd.sgd(XS, YS, lr=0.1, seed=1, epoc=3)
    assert str(caught.value) == (
        "sgd() got an unexpected keyword 'lr'; did you mean learning_rate? And 'epoc'; did you mean n_epochs?"
    )


@pytest.mark.parametrize(
    ("args", "given", "message"),
    [
        ((), {}, "missing 1 required positional argument: 'X'"),
        ((XS, YS, 0.1), {}, "takes from 1 to 2 positional arguments but 3 were given"),
        ((XS, YS), {"y": YS}, "got multiple values for argument 'y'"),
    ],
)
def test_other_wrong_calls_get_pythons_sentence(args, given, message):
    with pytest.raises(TypeError, match=message):
        fastgd.gradient_descent(*args, **given)


def test_an_error_inside_the_function_is_left_alone():
    def function(X, *, rate=1):
        raise TypeError("inside")

    with pytest.raises(TypeError) as caught:
        function(1)
    assert keywords.unknown_keywords(function, ["lr"], caught.value) is None


def test_every_thing_has_names_of_fastgd():
    """Otherwise it would suggest nothing."""
    known = set()
    for call in [*PUBLIC, *SCHEDULES, *ESTIMATORS]:
        known |= set(inspect.signature(call).parameters)
    for thing in keywords.THINGS:
        assert known & set(thing.names.split()), thing
