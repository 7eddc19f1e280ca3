"""`fastgd completion`: what the Tab key completes in a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("argcomplete")
ROOT = Path(__file__).parents[2]
IN_BASH = """
eval "$(fastgd completion bash)"
COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
complete -p fastgd
_python_argcomplete fastgd
printf "%s\\n" "${COMPREPLY[@]}"
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("fastgd les", ["lesson"]),
        ("fastgd lesson --e", ["--epochs"]),
        ("fastgd fit --learn", ["--learning-rate"]),
        ("fastgd fit --solver ", ["gd", "sgd"]),
        ("fastgd predict --mis", ["--missing"]),
    ],
)
def test_bash_completes_commands_options_and_values(tmp_path, line, found):
    program = tmp_path / "fastgd"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fastgd "$@"\n')
    program.chmod(0o755)
    paths = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", IN_BASH, "bash", line], env=os.environ | paths, capture_output=True, text=True,
        timeout=60, cwd=tmp_path,
    )  # fmt: skip
    first, *words = done.stdout.splitlines()
    assert first.endswith(" fastgd"), done.stderr
    assert [word.strip() for word in words] == found


@pytest.mark.parametrize(
    ("shell", "line"),
    [("bash", "complete "), ("zsh", "#compdef fastgd"), ("fish", "complete --command fastgd")],
)
def test_each_shell_has_its_lines(run, shell, line):
    code, out, err = run("completion", shell)
    assert (code, err) == (0, "")
    assert any(one.strip().startswith(line) for one in out.splitlines())


def test_without_the_extra_its_install_line(run, monkeypatch):
    for name in ("argcomplete", "argcomplete.shell_integration"):
        monkeypatch.setitem(sys.modules, name, None)
    assert run("completion", "bash") == (
        2, "", "fastgd: completion needs argcomplete: pip install 'fastgd[completion]'\n",
    )  # fmt: skip
