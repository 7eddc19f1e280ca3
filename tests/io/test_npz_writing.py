"""Files of fits: a writer that is killed or meets a full disk leaves a whole file."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastgd.io import npz
from tests.helpers import ROOT, run


def test_the_old_file_stays_until_the_new_one_is_on_the_disk(path, written, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a))[1])
    npz.write(path, "fit", None)
    assert calls == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("name", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_an_error_leaves_the_old_file_and_nothing_else(path, written, monkeypatch, name, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(os, name, fails)
    with pytest.raises(type(error)) as caught:
        npz.write(path, "fit", None)
    assert path.read_bytes() == written
    assert os.listdir(path.parent) == ["run.npz"]
    if isinstance(error, OSError):
        assert caught.value.filename == str(path)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(path, written):
    code = """
import resource, sys
import numpy as np
from fastgd.io import npz
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    npz.write(sys.argv[1], "fit", np.ones(100_000))
except OSError as error:
    print(error)
npz.write(sys.argv[1] + "2", "fit", np.ones(100))
"""
    done = run(code, path)
    assert done.stdout == f"[Errno 27] File too large: '{path}'\n", done.stderr
    assert path.read_bytes() == written
    assert sorted(os.listdir(path.parent)) == ["run.npz", "run.npz2"]


def test_a_killed_writer_leaves_a_whole_file(path):
    code = """
import itertools, sys
import numpy as np
from fastgd.io import npz
for i in itertools.count():
    npz.write(sys.argv[1], "fit", {"number": i, "a": np.full(100_000, float(i))})
    if i == 1:
        print("go", flush=True)
"""
    moments = random.Random(5)
    for _ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        with writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"go\n"
            time.sleep(moments.uniform(0.0, 0.05))
            writer.send_signal(signal.SIGKILL)
        assert writer.returncode == -signal.SIGKILL
        found = npz.read(path, {"fit": object})
        assert found["number"] >= 1
        assert set(found["a"].tolist()) == {float(found["number"])}


def test_where_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    npz.write("plain", "fit", None)
    assert os.listdir() == ["plain"]  # no ending of its own
    assert npz.read(Path("plain"), {"fit": object}) is None
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(os.stat("plain").st_mode) == 0o666 & ~umask
    os.chmod("plain", 0o600)
    os.symlink("plain", "link")
    npz.write("link", "fit", "by link")
    assert os.path.islink("link")
    assert npz.read("plain", {"fit": object}) == "by link"
    assert stat.S_IMODE(os.stat("plain").st_mode) == 0o600
    os.mkfifo("pipe")
    os.mkdir("folder")
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match=rf"^{name} is not a file: name one to write$"):
            npz.write(name, "fit", None)
    with pytest.raises(FileNotFoundError) as caught:
        npz.write("nowhere/run.npz", "fit", None)
    assert caught.value.filename == "nowhere/run.npz"
    assert sorted(os.listdir()) == ["folder", "link", "pipe", "plain"]
