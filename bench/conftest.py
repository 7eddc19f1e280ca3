"""`pytest --benchmark` runs the short set of benchmarks, `--benchmark-full` runs all; plain `pytest` runs
none.

The short set has the marker `@pytest.mark.short`: the rows of the README's table, and the kernels. A
benchmark whose contender needs a library that is not installed is skipped; the extra `contenders` installs
all. The run ends with the numbers of benchmarks left out and the table of `bench.report`.
"""

from __future__ import annotations

import collections
import functools
import importlib.metadata
import importlib.util
from pathlib import Path

import pytest

BENCH = Path(__file__).parent
LIBRARIES = (
    "numpy", "numba", "scikit-learn", "torch", "jax", "scikit-learn-intelex", "glum", "snapml", "duckdb",
    "polars-online",
)  # fmt: skip
"""Distributions whose versions the report prints."""
RESULTS = pytest.StashKey[list]()
LEFT_OUT = pytest.StashKey[int]()


def pytest_addoption(parser):
    parser.addoption(
        "--benchmark",
        action="store_true",
        dest="run_benchmarks",
        help="run the short set of the benchmarks (bench/), and nothing else",
    )
    parser.addoption(
        "--benchmark-full",
        action="store_true",
        dest="run_all_benchmarks",
        help="run all benchmarks, and nothing else",
    )


def _wanted(config):
    # Also False if this file was loaded too late to add its option (pytest . or pytest -c).
    return config.getoption("run_benchmarks", False) or _all_wanted(config)


def _all_wanted(config):
    return config.getoption("run_all_benchmarks", False)


def pytest_configure(config):
    config.addinivalue_line(
        "markers",
        "short(parameter=values): a benchmark of the short set, where each named parameter has such a value",
    )
    if not _wanted(config):
        return
    if not config.pluginmanager.has_plugin("benchmark"):
        raise pytest.UsageError(
            "--benchmark needs pytest-benchmark, which is not installed or switched off: "
            "pip install 'fastgd[bench]'"
        )
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args[:] = [str(BENCH)]
    config.option.benchmark_quiet = True  # its tables have 220 columns; --benchmark-verbose prints them


def pytest_report_header(config):
    given = [Path(config.invocation_params.dir, arg.split("::")[0]).resolve() for arg in config.args]
    explicit = any(path.is_relative_to(BENCH) for path in given)
    if explicit and config.args_source is pytest.Config.ArgsSource.ARGS and not _wanted(config):
        return "bench: nothing is collected from it; pytest --benchmark runs the benchmarks"
    return None


def pytest_ignore_collect(collection_path, config):
    return None if _wanted(config) or collection_path.is_dir() else True


def pytest_collection_modifyitems(config, items):
    """Deselect tests from paths on the command line, and benchmarks outside the chosen set."""
    benchmarks = [item for item in items if BENCH in item.path.parents]
    for item in benchmarks:
        _skip_without_library(item)
    left_out = {item for item in benchmarks if not (_all_wanted(config) or _is_short(item))}
    config.stash[LEFT_OUT] = len(left_out)
    chosen = {True: [], False: []}
    for item in items:
        is_benchmark = BENCH in item.path.parents
        chosen[is_benchmark == _wanted(config) and item not in left_out].append(item)
    if chosen[False]:
        config.hook.pytest_deselected(items=chosen[False])
        items[:] = chosen[True]


def _skip_without_library(item):
    needs = getattr(_parameters(item).get("contender"), "needs", None)
    if needs and not _is_installed(needs):
        item.add_marker(pytest.mark.skip(reason=f"{needs} is not installed"))


@functools.cache
def _is_installed(module):
    return importlib.util.find_spec(module) is not None


def _parameters(item):
    return item.callspec.params if hasattr(item, "callspec") else {}


def _is_short(item):
    """Whether a benchmark is in the short set. The marker may name values of parameters."""
    mark = item.get_closest_marker("short")
    if mark is None:
        return False
    parameters = _parameters(item)
    return all(str(parameters[name]) in map(str, values) for name, values in mark.kwargs.items())


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_group_stats(config, benchmarks, group_by):
    """Keep the measured times for the table. pytest-benchmark then groups them as usual."""
    config.stash[RESULTS] = [b | {"stats": b} for b in benchmarks if b["path"] is None]


def pytest_terminal_summary(terminalreporter, config):
    for line in _left_out(terminalreporter, config):
        terminalreporter.write_line(line)
    if not config.stash.get(RESULTS, []):
        return
    from bench import report

    machine_info = config.hook.pytest_benchmark_generate_machine_info(config=config)
    pytest_benchmark_update_machine_info(config, machine_info)
    results = {"machine_info": machine_info, "benchmarks": config.stash[RESULTS]}
    terminalreporter.section("benchmarks")
    for line in report.table(results):
        terminalreporter.write_line(line)


def _left_out(terminalreporter, config):
    """A line for the benchmarks outside the short set, and one for the skipped, with the reasons."""
    if not _wanted(config):
        return
    if number := config.stash.get(LEFT_OUT, 0):
        yield f"{number} benchmarks are outside the short set; --benchmark-full runs them."
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = collections.Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    if reasons:
        listed = ", ".join(f"{reason} ({number})" for reason, number in reasons.items())
        yield f"{len(skipped)} benchmarks are skipped: {listed}."


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config, machine_info):
    """Add the versions that the report prints."""
    import fastgd
    from bench import harness

    versions = {"fastgd": fastgd.__version__}  # the version under test, installed or not
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    machine_info["versions"] = versions
    machine_info["threads"] = harness.default_threads()
    machine_info["smoke"] = harness.SMOKE
