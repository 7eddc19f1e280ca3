"""The lesson's two programs, for the commands `fastgd lesson` and `fastgd`."""

from __future__ import annotations

from argparse import Namespace

from fastgd.api import gradient_descent, sgd
from fastgd.solver.results import FitResult

N_EPOCHS = 100
X_DATA = [1.0, 2.0, 3.0]
Y_DATA = [2.0, 4.0, 6.0]


def full_batch_lesson() -> FitResult:
    """The lesson's first program: gradient descent on the mean squared error."""
    return gradient_descent(X_DATA, Y_DATA, w0=1.0, learning_rate=0.01, n_epochs=N_EPOCHS)


def stochastic_lesson() -> FitResult:
    """The lesson's second program: stochastic gradient descent."""
    return sgd(X_DATA, Y_DATA, w0=1.0, learning_rate=0.01, n_epochs=N_EPOCHS, history="samples")


def run(options: Namespace) -> int:
    """The command `fastgd lesson`."""
    if options.html is not None:
        from fastgd.cli import page

        page.write(options, (X_DATA, Y_DATA))
        return 0
    fit = stochastic_lesson() if options.sgd else full_batch_lesson()
    if options.plot is not None:
        from fastgd.plots.picture import save

        save(fit, options.plot)
    print(fit.trace(digits=options.digits, full=True))
    return 0
