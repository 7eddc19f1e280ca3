"""The page of `fastgd lesson --html`: the lesson's three samples, or DATA."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from fastgd.checks import InvalidDataError
from fastgd.cli import opening
from fastgd.cli.data import Data, open_data
from fastgd.page.explore import explore


def write(options: Namespace, samples: tuple[list[float], list[float]]) -> None:
    """Write the page and say where it is. `samples` are the lesson's."""
    chosen: dict[str, Any] = {"fit_intercept": options.intercept}
    if options.digits is not None:
        chosen["digits"] = options.digits
    opening.check_place("--html", options.html, *[options.data] * (options.data is not None))
    if options.data is None:
        explore(
            *samples,
            options.html,
            w0=options.w0,
            learning_rate=options.learning_rate,
            n_epochs=options.epochs,
            title="The lesson",
            **chosen,
        )
    else:
        data = open_data(options.data, options.target, options.features, None, "error")
        _of_data(data, options, chosen)
    print(f"{options.html}: open it in a browser")


def _of_data(data: Data, options: Namespace, chosen: dict[str, Any]) -> None:
    try:
        explore(data.X, data.y, options.html, **chosen)
    except InvalidDataError as error:
        raise opening.of_file(error, data, options) from None
