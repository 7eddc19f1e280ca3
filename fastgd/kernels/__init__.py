from typing import TYPE_CHECKING, Any

if not TYPE_CHECKING:  # type checkers know the modules

    def __getattr__(name: str) -> Any:
        """Import a module of kernels at its first use, and count the seconds: it may load Numba."""
        import importlib.util

        from fastgd.kernels.compiling import loading

        module = f"{__name__}.{name}"
        if importlib.util.find_spec(module) is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with loading():
            return importlib.import_module(module)
