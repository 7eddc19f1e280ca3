"""scikit-learn's own checks of an estimator, and life without scikit-learn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CHECK = """
import json, sys, warnings
from fastgd import estimators
from sklearn.utils.estimator_checks import check_estimator
warnings.simplefilter("ignore")
checks = check_estimator(getattr(estimators, sys.argv[1])(), on_fail=None, on_skip=None)
print(json.dumps([[c["check_name"], c["status"], repr(c["exception"])] for c in checks]))
"""

WITHOUT_SKLEARN = """
import importlib.abc, sys
class NoSklearn(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] == "sklearn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoSklearn())
"""


def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=500,
    )


@pytest.mark.parametrize(
    "name", ["GDRegressor", "GDRegressorCV", "GDClassifier", "SGDRegressor", "SGDClassifier"]
)
def test_scikit_learns_checks(name):
    # SciPy looks at the variable once, at import: with it the array API's checks are not skipped.
    done = run(CHECK, name, SCIPY_ARRAY_API="1")
    assert done.returncode == 0, done.stderr
    checks = json.loads(done.stdout)
    others = {check: (status, why) for check, status, why in checks if status != "passed"}
    assert len(checks) - len(others) > 50
    if name.startswith("SGD"):  # steps in an order: a weight is not the row repeated, see SGDRegressor
        dense = "check_sample_weight_equivalence_on_dense_data"
        assert others.pop(dense, ("", ""))[0] == "failed"
        others.pop("check_sample_weight_equivalence_on_sparse_data", None)
    assert others == {}


def test_without_scikit_learn_the_import_says_what_to_install():
    done = run(WITHOUT_SKLEARN + "from fastgd.estimators import GDRegressor")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: ")
    assert "pip install 'fastgd[sklearn]'" in last


def test_without_scikit_learn_the_functions_work():
    code = "import fastgd; print(fastgd.cost([1.0], [3.0], 1.0), hasattr(fastgd, 'gradient_descent'))"
    done = run(WITHOUT_SKLEARN + code)
    assert done.stdout.strip() == "4.0 True", done.stderr
