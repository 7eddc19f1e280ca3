"""`pytest --benchmark` and `--benchmark-full`: what runs, and what the run says about the rest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pytest_benchmark")

ROOT = Path(__file__).parents[1]


def run_pytest(*arguments, path=""):
    """The output of a new pytest, with tiny sizes. Modules of the folder `path` can be imported."""
    environment = os.environ | {"FASTGD_BENCH_SMOKE": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(path), environment.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names_in(output):
    """The tests that `--collect-only` lists."""
    return [line for line in output.splitlines() if re.match(r"(bench|tests)/\w+\.py::", line)]


def files_of(names):
    return {name.partition("::")[0] for name in names}


def test_the_full_set_has_every_file_and_the_short_set_is_a_part():
    short_run = run_pytest("--benchmark", "--collect-only")
    full_run = run_pytest("--benchmark-full", "--collect-only")
    short, full = names_in(short_run), names_in(full_run)
    assert files_of(full) == {f"bench/{path.name}" for path in (ROOT / "bench").glob("bench_*.py")}
    assert set(short) < set(full)
    left_out = len(full) - len(short)
    assert f"{left_out} benchmarks are outside the short set; --benchmark-full runs them." in short_run
    assert "outside the short set" not in full_run


def test_without_an_option_no_benchmark_is_collected():
    names = names_in(run_pytest("--collect-only", "bench", "tests/test_house.py"))
    assert files_of(names) == {"tests/test_house.py"}


def test_an_option_leaves_tests_out():
    output = run_pytest("--benchmark", "bench/bench_loops.py", "tests/test_house.py")
    assert re.search(r"^\d+ passed, \d+ deselected", output, re.MULTILINE)
    assert "| **the lesson: 3 samples, 100 epochs, lists in** |" in output
    assert "test_house" not in output


def test_a_library_that_is_missing_is_named_once(tmp_path):
    (tmp_path / "hidden.py").write_text("import sys\nsys.modules |= dict.fromkeys(['torch', 'duckdb'])\n")
    output = run_pytest(
        "-p", "hidden", "--benchmark", "bench/bench_summaries.py", "-k", "torch or DuckDB", path=tmp_path
    )
    assert "5 benchmarks are skipped: torch is not installed (4), duckdb is not installed (1)." in output
    assert re.search(r"^5 skipped, \d+ deselected", output, re.MULTILINE)
