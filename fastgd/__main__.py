"""`python -m fastgd` is `fastgd`."""

from __future__ import annotations

import contextlib
import os
import sys


def main() -> int:
    """Run the command line as this process; after Ctrl-C leave it at once, with exit code 130.

    The process does not end as usual then: threads may be reading in C++, and abort one that does.
    """
    try:
        from fastgd.cli.main import INTERRUPTED
        from fastgd.cli.main import main as run

        if (code := run()) != INTERRUPTED:
            return code
    except KeyboardInterrupt:  # while modules are loaded, or again
        os.write(2, b"fastgd: interrupted\n")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
