"""The edge between the user's program and fastgd: helpful errors of calls, and short tracebacks."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

FULL = "FASTGD_TRACEBACK"
"""An environment variable. With the value "full", tracebacks keep the frames inside fastgd."""


def public(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A function, a method or a constructor that users call.

    An unknown keyword raises a TypeError that names the keyword which the user may have meant. Errors of
    fastgd's own classes, as InvalidDataError, lose the frames between the user's line and the line that
    raised them: the message says what is wrong, and the frames inside do not help the user.
    """

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            from fastgd.keywords import unknown_keywords

            refused = unknown_keywords(function, kwargs, error)
            if refused is None:
                raise
        except Exception as error:
            if not is_own(error) or is_of_user(error):
                raise
            cut = error.with_traceback(None)
            raise cut from cut.__cause__  # FASTGD_TRACEBACK=full shows the lines inside
        raise refused

    return call


def is_own(error: Exception) -> bool:
    """Whether the traceback of an error is cut: its class is one of fastgd's public classes."""
    return type(error).__module__ == "fastgd" and os.environ.get(FULL) != "full"


def is_of_user(error: Exception) -> bool:
    """Whether an error comes out of a function of the user that fastgd called, such as a callback."""
    trace = error.__traceback__
    while trace is not None:
        code, name = trace.tb_frame.f_code, str(trace.tb_frame.f_globals.get("__name__", ""))
        package = name.partition(".")[0]
        is_library = package in sys.stdlib_module_names or "site-packages" in code.co_filename
        if package != "fastgd" and not is_library:
            return True
        trace = trace.tb_next
    return False
