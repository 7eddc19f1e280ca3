"""The README and the docstrings: every example is run, every command is there."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

import fastgd

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FLAGS = doctest.ELLIPSIS
DOCUMENTS = sorted(
    [ROOT / "README.md", *(ROOT / ".github").glob("*.md"), *(ROOT / "fastgd").rglob("README.md")]
)


def failures(text: str, name: str, names: dict | None = None) -> int:
    test = doctest.DocTestParser().get_doctest(text, names or {}, name, name, 0)
    assert test.examples, f"{name} has no examples"
    return doctest.DocTestRunner(optionflags=FLAGS).run(test).failed


def examples(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_examples_of_the_readme():
    blocks = examples(README)
    assert len(blocks) >= 4
    assert failures("\n".join(blocks), "README.md") == 0


@pytest.mark.parametrize("room", ["solver", "distributed"])
def test_the_examples_of_the_readmes_of_folders(room):
    path = ROOT / "fastgd" / room / "README.md"
    assert failures("\n".join(examples(path.read_text())), path.name) == 0


def test_no_other_readme_of_a_folder_has_examples():
    with_examples = {
        path.parent.name for path in (ROOT / "fastgd").rglob("README.md") if examples(path.read_text())
    }
    assert with_examples == {"solver", "distributed"}


@pytest.mark.skipif(not (ROOT / ".github").exists(), reason="no repository")
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(path):
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    for link in links:
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.is_relative_to(ROOT.resolve()), link
        assert file.exists(), link
        assert not anchor or anchor in anchors(file.read_text()), link


@pytest.mark.parametrize(
    "module",
    [
        "functions",
        "schedules",
        "api",
        "exercises",
        "page.explore",
        "plots.compare",
        "stepping",
        "solver.table",
        "solver.scores",
        "data.synthetic",
        "data.chunks",
        "data.tables",
        "solver.cross_validation",
        "solver.inference",
        "solver.model",
        "solver.summarize",
        "solver.summarize_groups",
        "solver.summary",
        "versions",
        "warm",
        "estimators.regressors",
        "estimators.classifiers",
    ],
)
def test_the_examples_of_the_docstrings(module):
    found = importlib.import_module(f"fastgd.{module}")
    result = doctest.testmod(found, optionflags=FLAGS)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_two_commands_stand_on_the_first_screen():
    first_screen = "\n".join(README.splitlines()[:20])
    commands = re.findall(r"^python3 -m venv .*$", first_screen, flags=re.MULTILINE)
    assert [command.split("/")[-1] for command in commands] == ["fastgd", "pytest"]
    assert all(command.startswith("python3 -m venv .venv && .venv/bin/pip install ") for command in commands)


def test_the_readme_names_no_file_that_is_not_there():
    for path in re.findall(r"`((?:fastgd|bench|tests|\.ci)/[\w./]*)`", README):
        assert (ROOT / path).exists(), path


def test_the_docstring_of_the_package_has_a_line_for_every_public_name():
    lines = re.findall(r"^    (\w+) +\S", fastgd.__doc__ or "", flags=re.MULTILINE)
    modules = {"estimators", "losses", "schedules"}
    assert sorted(lines) == sorted({*fastgd.__all__, *modules} - {"__version__"})
