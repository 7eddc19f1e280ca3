"""Fixtures for the tests of the command line: a folder with the trips, and functions that run a command."""

from __future__ import annotations

import json

import pytest
from pyarrow import csv

import fastgd
from fastgd.cli.main import main
from fastgd.kernels import compiling
from tests.cli.trips import FEW, TABLE


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The test's own folder, with the trips in it."""
    monkeypatch.chdir(tmp_path)
    csv.write_csv(TABLE, "trips.csv")
    return tmp_path


@pytest.fixture
def run(capsys):
    """A function that runs a command and returns its exit code, standard output and standard error."""

    def call(*arguments):
        code = main([str(one) for one in arguments])
        out, err = capsys.readouterr()
        err = err.replace(f"fastgd: {compiling.NOTICE}\n", "")  # written if the cache is cold
        assert "Traceback" not in err
        return code, out, err

    return call


@pytest.fixture
def told(run):
    """A function that runs a command with --json and returns the parsed output."""

    def call(*arguments, code=0):
        found, out, _ = run(*arguments, "--json")
        assert found == code
        assert out.count("\n") == 1
        return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    return call


@pytest.fixture
def model(run):
    assert run("fit", "trips.csv", "--target", "fare", *FEW, "--save", "m.npz")[0] == 0
    return fastgd.load("m.npz")
