"""`fastgd lesson` with other rates, epochs and starts."""

from __future__ import annotations

import pytest

import fastgd
from fastgd.cli.main import main

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


def loop(is_sgd, rate, n_epochs, w):
    """The weights after each epoch of the lesson's loops."""
    weights = []
    for _ in range(n_epochs):
        if is_sgd:
            for x, y in zip(XS, YS, strict=True):
                w -= rate * 2 * x * (x * w - y)
        else:
            w -= rate * sum(2 * x * (x * w - y) for x, y in zip(XS, YS, strict=True)) / len(XS)
        weights.append(w)
    return weights


def weights_of(out):
    return [float(line.split("w=")[1].split()[0]) for line in out.splitlines() if "w=" in line]


@pytest.mark.parametrize("is_sgd", [False, True])
def test_rate_epochs_and_start(run, is_sgd):
    more = ["--sgd"] * is_sgd
    code, out, err = run("lesson", "--learning-rate", 0.05, "--epochs", 7, "--w0", -3, *more)
    assert (code, err) == (0, "")
    assert weights_of(out) == pytest.approx(loop(is_sgd, 0.05, 7, -3.0), rel=1e-12)
    assert out.splitlines()[0] == "Predict (before training) 4 -12.0"


@pytest.mark.parametrize("epochs", [4, 100, 3000])
@pytest.mark.parametrize("is_sgd", [False, True])
def test_divergence_is_explained_with_its_first_epochs(run, is_sgd, epochs):
    more = ["--sgd"] * is_sgd
    code, out, err = run("lesson", "--learning-rate", 0.3, "--epochs", epochs, *more)
    assert code == 1
    assert weights_of(out) == pytest.approx(loop(is_sgd, 0.3, min(epochs, 10), 1.0), rel=1e-12)
    assert out.endswith("\n…………\n")
    assert "after training" not in out
    limit = fastgd.diagnose(XS, YS, solver="sgd" if is_sgd else "gradient_descent").stability_limit
    assert f"= {limit:.6g} they do not" in err
    assert err.startswith("fastgd: the loop diverges at learning rate 0.3: ")
    assert err.count("\n") == 1
    rate = err.split("--learning-rate ")[1].strip()
    assert run("lesson", "--learning-rate", rate, *more)[0] == 0


def test_a_first_step_that_overflows_is_shown(run):
    code, out, _ = run("lesson", "--learning-rate", 1e300)
    assert code == 1
    assert out.count("Epoch") == 1


def test_a_start_at_the_optimum_has_not_diverged(run):
    assert run("lesson", "--w0", 2, "--learning-rate", 0.3, "--sgd")[0] == 0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--learning-rate", "nan", "'nan' is not finite"),
        ("--w0", "one", "'one' is not a number"),
        ("--epochs", "0", "0 is not between 1 and"),
    ],
)
def test_odd_values_are_refused(capsys, option, value, message):
    with pytest.raises(SystemExit) as caught:
        main(["lesson", option, value])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
