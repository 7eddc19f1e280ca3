"""`pytest --benchmark` runs the benchmarks and nothing else; plain `pytest` runs no benchmark."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

BENCH = Path(__file__).parent


def pytest_addoption(parser):
    parser.addoption(
        "--benchmark",
        action="store_true",
        dest="run_benchmarks",
        help="run the benchmarks (bench/), and nothing else",
    )


def _wanted(config):
    # False too where this file was loaded too late to add its option (pytest . or pytest -c).
    return config.getoption("run_benchmarks", False)


def pytest_configure(config):
    if not _wanted(config):
        return
    if not config.pluginmanager.has_plugin("benchmark"):
        raise pytest.UsageError(
            "--benchmark needs pytest-benchmark, which is not installed or switched off: "
            "pip install 'fastgd[bench]'"
        )
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args[:] = [str(BENCH)]


def pytest_report_header(config):
    given = [Path(config.invocation_params.dir, arg.split("::")[0]).resolve() for arg in config.args]
    explicit = any(path.is_relative_to(BENCH) for path in given)
    if explicit and config.args_source is pytest.Config.ArgsSource.ARGS and not _wanted(config):
        return "bench: nothing is collected from it; pytest --benchmark runs the benchmarks"
    return None


def pytest_ignore_collect(collection_path, config):
    return None if _wanted(config) or collection_path.is_dir() else True


def pytest_collection_modifyitems(config, items):
    """What paths on the command line brought in all the same."""
    chosen = {True: [], False: []}
    for item in items:
        chosen[(BENCH in item.path.parents) == _wanted(config)].append(item)
    if chosen[False]:
        config.hook.pytest_deselected(items=chosen[False])
        items[:] = chosen[True]


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config, machine_info):
    """The versions that the report prints."""
    import fastgd
    from bench import harness

    versions = {"fastgd": fastgd.__version__}  # of the tree under test, installed or not
    for name in ("numpy", "numba", "scikit-learn", "torch", "jax"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    machine_info["versions"] = versions
    machine_info["threads"] = harness.default_threads()
    machine_info["smoke"] = harness.SMOKE
