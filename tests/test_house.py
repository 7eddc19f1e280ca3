"""The plan of the house: imports point one way, kernels stand alone, rooms stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fastgd"

FLOORS = [
    ["display", "domains", "callers", "wording"],
    ["losses", "penalties", "reference", "kernels.compiling", "lazy", "checks", "data.dialect"],
    ["kernels._jit", "solver.progress", "data.files"],
    [
        "io.npz",
        "kernels.arithmetic",
        "kernels.vectors",
        "kernels.tree",
        "kernels.plain_read",
        "kernels.random",
    ],
    [
        "kernels.in_order",
        "kernels.norms",
        "kernels.shuffling",
        "kernels.losses",
        "kernels.convert",
    ],
    [
        "kernels.strict",
        "kernels.fused",
        "kernels.accurate",
        "kernels.gram",
        "kernels.prepare",
    ],
    ["kernels.pointwise", "kernels.maps", "kernels.scored", "kernels.steps_few"],
    ["kernels.epochs", "kernels.one_read", "kernels.steps"],
    ["engine.blocks", "engine.threads", "solver.blas"],
    ["solver.linalg"],
    ["engine.reduce", "engine.journal"],
    ["engine.scan"],
    ["kernels.proximal", "solver.scaling", "solver.forecast"],
    ["data.backend", "data.columns", "schedules", "solver.orders"],
    ["data.rounding"],
    ["data.formats", "data.frames"],
    ["data.csv"],
    ["data.finding"],
    ["data.validation", "data.conversion"],
    ["data.dataset"],
    ["data.arrays"],
    ["data.batches", "data.chunks", "data.framed", "data.synthetic"],
    ["data.streams", "data.tables"],
    [
        "data.transform",
        "data.split",
        "distributed.held",
        "distributed.shares",
        "distributed.collections",
        "data.labels",
        "solver.objective",
    ],
    ["distributed.cluster", "distributed.tasks"],
    ["distributed.layout"],
    ["distributed.executor"],
    ["solver.inputs"],
    ["solver.statistics"],
    ["solver.maps"],
    ["solver.planner"],
    ["solver.steppers.backtracking"],
    ["solver.steppers.base"],
    ["solver.steppers.exact", "solver.cost"],
    ["solver.centring"],
    ["solver.curvature"],
    ["solver.summaries", "solver.moments"],
    ["solver.problem"],
    ["solver.steppers.plain", "solver.steppers.streaming"],
    ["solver.steppers.summary"],
    ["solver.each_row"],
    ["functions", "solver.loop"],
    ["solver.options"],
    ["solver.steppers.choose"],
    ["solver.preconditioning", "solver.rates", "solver.state"],
    ["solver.tracks"],
    ["trace"],
    ["results"],
    ["io.checkpoint", "io.model", "solver.outcome", "solver.caveats"],
    ["solver.fit"],
    ["plots", "api", "solver.diagnose"],
    ["solver.sweep", "cli.lesson", "estimators.inputs", "estimators.probabilities", "versions"],
    ["estimators.linear"],
    ["estimators.regressors", "estimators.classifiers"],
    ["cli.demo", "warm", "cli.data", "cli.report"],
    ["cli.commands"],
    ["cli.main"],
    ["__main__"],
]
"""From the ground up: a module imports only from floors below its own."""

HANDS_ON = {("results", "plots"), ("results", "io.model")}
"""Methods of a result that only call on the floor above."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "fastgd":
            base = node.module.removeprefix("fastgd").lstrip(".")
            for alias in node.names:
                whole = f"{base}.{alias.name}".lstrip(".")
                found.add(whole if (PACKAGE / f"{whole.replace('.', '/')}.py").exists() else base)
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.removeprefix("fastgd.") for alias in node.names if alias.name.startswith("fastgd")
            }
    return found - {""}


def test_every_module_has_its_floor():
    assert sorted(module for floor in FLOORS for module in floor) == sorted(map(name_of, MODULES))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path):
    floor_of = {module: number for number, floor in enumerate(FLOORS) for module in floor}
    name = name_of(path)
    for imported in imports(path):
        if (name, imported) in HANDS_ON:
            continue
        assert floor_of[imported] < floor_of[name], f"{name} imports {imported}, which stands above it"


FOLDERS = ["kernels", "engine", "data", "distributed", "solver", "estimators", "cli"]
"""Folders from the ground up; without `io`, which solver imports and which imports the state of solver."""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_folders_import_from_folders_below(path):
    folder, *_ = name_of(path).split(".")
    if folder in FOLDERS:
        above = FOLDERS[FOLDERS.index(folder) + 1 :]
        assert [one for one in imports(path) if one.split(".")[0] in above] == []


def test_the_command_line_rewrites_no_message():
    """It words the fields of errors, and hands its own `Words` to those who make sentences."""
    for path in MODULES:
        if name_of(path).startswith("cli."):
            assert "re" not in {
                alias.name
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Import)
                for alias in node.names
            }


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_numba_is_known_in_kernels_only(path):
    tree = ast.parse(path.read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    uses_numba = any(module.split(".")[0] in ("numba", "llvmlite") for module in modules)
    assert not uses_numba or name_of(path).startswith("kernels.")
    if name_of(path) == "reference":
        assert not {"numpy", "numba"} & {module.split(".")[0] for module in modules}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_can_be_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_module_says_what_it_is(path):
    assert len(ast.get_docstring(ast.parse(path.read_text())) or "") > 20


def test_dangerous_flags_stand_nowhere():
    for path in MODULES:
        text = path.read_text().replace(" ", "")
        for flag in ("fastmath=True", "parallel=True", "allow_pickle=True", 'nnan"', 'ninf"'):
            assert flag not in text, f"{flag} in {name_of(path)}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_lock_is_held_while_an_attribute_is_computed(path):
    """functools.cached_property holds one on Python 3.11; lazy_property does the same without."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert "cached_property" not in {alias.name for alias in node.names}
        assert not (isinstance(node, ast.Attribute) and node.attr == "cached_property")
