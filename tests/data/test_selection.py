"""Patterns of columns."""

from __future__ import annotations

import fastgd


def test_patterns_and_exclusions(tmp_path):
    (tmp_path / "t.csv").write_text("t_b,id,t_a,y\n1,2,3,4\n")
    read = fastgd.read_table
    assert read(tmp_path / "t.csv", target="y", features=["t_*"]).columns == ("t_b", "t_a")
    assert read(tmp_path / "t.csv", target="y", exclude=["id"]).columns == ("t_b", "t_a")
