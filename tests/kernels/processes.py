"""Programs that run in a new Python with a kernel cache of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "fastgd"


def surroundings(cache: Path, source: Path = PACKAGE.parent, **more: str) -> dict[str, str]:
    fixed = {"PYTHONPATH": str(source), "FASTGD_CACHE_DIR": str(cache), "NUMBA_BOUNDSCHECK": "0"}
    return os.environ | fixed | more


def run(code: str, cache: Path, *, source: Path = PACKAGE.parent, **more: str) -> subprocess.CompletedProcess:
    environment = surroundings(cache, source, **more)
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=600, cwd=source
    )


def output(code: str, cache: Path, **how) -> str:
    done = run(code, cache, **how)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
