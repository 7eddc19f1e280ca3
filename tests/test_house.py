"""The plan of the house: imports point one way, kernels stand alone, rooms stay small."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fastgd"

LAYERS = [
    ["_version", "callers", "display", "wording", "domains", "lazy", "reference", "penalties", "keywords"],
    ["public"],
    ["checks", "loss_base"],
    ["losses"],
    ["engine", "schedules", "kernels"],
    ["plots", "data", "versions"],
    ["distributed", "io", "trace"],
    ["solver"],
    ["api", "functions", "page"],
    ["stepping", "exercises"],
    ["estimators", "warm"],
    ["cli"],
    ["__main__"],
]
"""Folders and single modules, from the ground up: each imports only from layers below its own."""


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


def layer_of(path: Path) -> str:
    return name_of(path).split(".")[0]


def test_every_folder_and_module_has_its_layer():
    assert sorted(name for layer in LAYERS for name in layer) == sorted({layer_of(path) for path in MODULES})


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path):
    number_of = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    own = layer_of(path)
    for imported in imports(path):
        other = imported.split(".")[0]
        if other != own:
            assert number_of[other] < number_of[own], f"{name_of(path)} imports {imported}, a layer above"


def test_no_modules_import_each_other_in_a_circle():
    imported_by = {name_of(path): imports(path) - {name_of(path)} for path in MODULES}
    order = list(graphlib.TopologicalSorter(imported_by).static_order())  # raises CycleError for a circle
    assert set(imported_by) <= set(order)


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


TESTS = sorted(Path(__file__).parent.rglob("*.py"))


def test_no_file_of_tests_is_past_400_lines_or_imports_another():
    for path in TESTS:
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests"):
                assert not node.module.split(".")[-1].startswith("test_"), f"{path.name}: {node.module}"
