"""What a process loads, and what it does without Numba."""

from __future__ import annotations

import pytest

import fastgd
from tests.helpers import WITHOUT_NUMBA, output


def test_importing_fastgd_loads_nothing_else():
    code = (
        "import sys; import fastgd; print([m for m in ('numpy', 'numba', 'matplotlib') if m in sys.modules])"
    )
    assert output(code) == "[]"


def test_numba_loads_at_the_first_computation():
    code = """
import sys, fastgd
fastgd.gradient_descent, fastgd.sgd, fastgd.cost, fastgd.FitResult, fastgd.make_linear
before = "numba" in sys.modules
fastgd.cost([1.0], [1.0], 1.0, l2=0.1)
print(before, "numba" in sys.modules, "matplotlib" in sys.modules)
"""
    expected = "False True False"
    assert output(code) == expected


LESSON = "x, y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]"
LITTLE = f"""
import sys, fastgd
{LESSON}
how = dict(w0=1.0, learning_rate=0.01)
"""


@pytest.mark.parametrize(
    "call",
    [
        "fastgd.gradient_descent(x, y, **how)",
        "fastgd.sgd(x, y, history='samples', **how)",
        "fastgd.sgd(x, y, shuffle='blocks', seed=1, **how)",
        "fastgd.gradient_descent([[1.0, 2.0]] * 9, [3.0] * 9, learning_rate=0.01)",
        "fastgd.sweep(x, y, learning_rates=[0.01, 0.02]).best",
    ],
)
def test_little_work_of_the_lesson_does_not_load_numba(call):
    code = f"""{LITTLE}
fit = {call}
fit.trace(), fit.status, repr(fit), fastgd.forward(x, 2.0), fastgd.loss(x, y, 2.0)
fastgd.cost(x, y, 2.0), fastgd.gradient(x, y, 2.0)
fastgd.cost_and_gradient([[1.0, 2.0]] * 9, [3.0] * 9, [1.0, 1.0])
print(fit.backend, "numba" in sys.modules)
"""
    assert output(code) == "python False"


@pytest.mark.parametrize(
    "call",
    [
        "fastgd.gradient_descent(x, y, backend='numba', **how)",
        "fastgd.gradient_descent(x * 1000, y * 1000, **how)",
        "fastgd.gradient_descent(x, y, n_epochs=30_000, **how)",
        "fastgd.gradient_descent(x, y, fit_intercept=True, **how)",
        "fastgd.sgd(x, y, shuffle=True, seed=1, **how)",
        "[fastgd.gradient_descent(x, y, n_epochs=5000, **how) for _ in range(50)][-1]",
        "fastgd.gradient_descent(x, y, **how) if fastgd.cost(x * 1000, y * 1000, 1.0) else None",
    ],
)
def test_more_work_runs_on_kernels(call):
    assert output(f"{LITTLE}print(({call}).backend)") == "numba"


def test_the_command_lesson_does_not_load_numba():
    code = "import sys; from fastgd.cli.main import main; main(['lesson']); print('numba' in sys.modules)"
    *lines, loaded = output(code).splitlines()
    assert lines[1] == "Epoch: 0 w= 1.0933333333333333 loss= 4.666666666666667"
    assert loaded == "False"


def test_without_numba_the_twins_run_and_say_so():
    code = (
        WITHOUT_NUMBA
        + """
x, y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
fit, by_sample = (f(x, y, w0=1.0, learning_rate=0.01) for f in (fastgd.gradient_descent, fastgd.sgd))
print(fit.backend, by_sample.backend, fit.w, fit.predict(4.0) == 4 * fit.w, fastgd.cost(x, y, 1.0))
X, y, w = fastgd.make_linear(5, 2, seed=1)
print(X.shape, fastgd.gradient(X, y, w).tolist())
"""
    )
    lines = output(code).splitlines()
    assert lines[0] == "python python 1.9999444396553017 True 4.666666666666667"
    assert lines[1] == "(5, 2) [0.0, 0.0]"


def test_asking_for_a_missing_numba_gives_the_install_line():
    code = (
        WITHOUT_NUMBA
        + """
for call, w in ((fastgd.cost, [1.0]), (fastgd.sgd, [])):
    try:
        call([1.0], [1.0], *w, backend="numba")
    except ModuleNotFoundError as error:
        print(error)
"""
    )
    assert output(code).splitlines() == ['backend="numba" needs Numba: pip install numba'] * 2


def test_public_names():
    assert set(dir(fastgd)) >= set(fastgd.__all__)
    for name in fastgd.__all__:
        assert getattr(fastgd, name) is not None
    with pytest.raises(AttributeError, match="module 'fastgd' has no attribute 'sweeep'"):
        _ = fastgd.sweeep


def test_every_public_function_says_what_it_does():
    for name in fastgd.__all__:
        thing = getattr(fastgd, name)
        if callable(thing):
            assert len(thing.__doc__) > 60, name
