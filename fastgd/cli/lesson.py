"""The lesson: three samples, one weight, a hundred epochs."""

from __future__ import annotations

from fastgd.api import gradient_descent, sgd
from fastgd.solver.results import FitResult

X_DATA = [1.0, 2.0, 3.0]
Y_DATA = [2.0, 4.0, 6.0]
W0 = 1.0
LEARNING_RATE = 0.01
N_EPOCHS = 100


def full_batch() -> FitResult:
    """The lesson's first program: every epoch one step down the gradient of the cost."""
    return gradient_descent(X_DATA, Y_DATA, w0=W0, learning_rate=LEARNING_RATE, n_epochs=N_EPOCHS)


def stochastic() -> FitResult:
    """The lesson's second program: every sample a step down the gradient of its own loss."""
    return sgd(X_DATA, Y_DATA, w0=W0, learning_rate=LEARNING_RATE, n_epochs=N_EPOCHS, history="samples")
