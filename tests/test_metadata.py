"""What the wheel says of itself is what `.ci/run` tests."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_authors_have_a_name_and_no_address():
    assert PROJECT["authors"] == [{"name": "the fastgd developers"}]
    assert PROJECT["license"] == "BSD-3-Clause"


@pytest.mark.skipif(not (ROOT / ".ci" / "run").exists(), reason="no repository")
def test_every_python_that_is_promised_is_tested():
    promised = {name.split(" :: ")[-1] for name in PROJECT["classifiers"] if "Python :: 3." in name}
    tested = set(re.findall(r"(?:on_python|python_of) (3\.\d+)", (ROOT / ".ci" / "run").read_text()))
    assert promised == tested == {"3.11", "3.12", "3.13"}


def test_a_test_that_starts_a_process_is_slow(request):
    slow = [item for item in request.session.items if item.get_closest_marker("slow")]
    started = [item for item in request.session.items if item.name.startswith("test_a_child_forked")]
    assert all(item in slow for item in started)
    assert request.node not in slow
