"""The registry of commands, and the examples that their help shows."""

from __future__ import annotations

import importlib
import shlex

import pytest

from fastgd.cli.commands import COMMANDS, DEMO
from fastgd.cli.main import main
from tests.cli.trips import FEW


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_a_module_of_its_name(name):
    assert callable(importlib.import_module(f"fastgd.cli.{name}").run)


@pytest.mark.parametrize("name", ["lesson", "fit", "diagnose", "predict"])
def test_the_examples_of_the_help_run(run, name):
    pytest.importorskip("matplotlib")
    run("fit", "trips.csv", "--target", "fare", *FEW, "--save", "model.npz")
    for example in COMMANDS[name].examples:
        program, *arguments = shlex.split(example)
        assert (program, arguments[0]) == ("fastgd", name)
        code, _, err = run(*arguments)
        assert code == 0, example
        is_compared = name == "predict" and err.startswith("fastgd: root mean square error ")
        assert err == "" or (is_compared and err.count("\n") == 1), example


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_the_help_ends_with_the_examples(capsys, name):
    with pytest.raises(SystemExit) as caught:
        main(["--help"] if name is None else [name, "--help"])
    assert caught.value.code == 0
    command = DEMO if name is None else COMMANDS[name]
    *_, last = capsys.readouterr().out.partition("examples:\n")
    assert last == "".join(f"  {example}\n" for example in command.examples)


def test_the_options_of_a_fit_are_in_groups(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    text = capsys.readouterr().out
    groups = ("data", "model", "descent", "stopping", "output", "long runs")
    places = [text.index(f"\n{group}:\n") for group in groups]
    assert places == sorted(places)
    for group, option in [
        ("data", "--target Y"), ("model", "--loss {"), ("descent", "--learning-rate RATE"),
        ("stopping", "--tol TOL"), ("output", "--json"), ("long runs", "--resume FILE"),
    ]:  # fmt: skip
        before = [place for place in places if place < text.rindex(f"  {option}")]
        assert groups[len(before) - 1] == group
