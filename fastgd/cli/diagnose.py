"""The command `fastgd diagnose`."""

from __future__ import annotations

from argparse import Namespace

from fastgd.checks import InvalidDataError
from fastgd.cli import opening, report
from fastgd.solver.diagnose import diagnose


def run(options: Namespace) -> int:
    options.solver = opening.SOLVERS[options.solver]
    data = opening.open_rows(options)
    try:
        diagnosis = diagnose(
            data.X, data.y, solver=options.solver, learning_rate=options.learning_rate, l2=options.l2,
            fit_intercept=options.intercept, standardize=options.standardize, sample_weight=data.weight,
        )  # fmt: skip
    except InvalidDataError as error:
        raise opening.of_file(error, data, options) from None
    chosen = {
        "data": options.data, "target": options.target, "weight": options.weight, "solver": options.solver,
        "l2": options.l2, "has_intercept": options.intercept, "standardize": options.standardize,
        "rows_left_out": data.n_left_out, "dialect": data.dialect or None,
    }  # fmt: skip
    facts = report.of_diagnosis(diagnosis, data.names or ("x",), chosen)
    report.show(options, facts, report.lines_of_diagnosis)
    return 0
