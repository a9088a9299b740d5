"""Hardware-aware neural architecture search: supernets, device tables, searches and Pareto fronts.

The library behind the Snakemake workflow of the same name. It never imports snakemake and never
reads ``config.yaml``: each function gets what it needs as arguments.

In a notebook: ``load_space``, ``load_device``, ``load_accuracies``, ``load_proxy``, ``search``,
``found_front``, ``indicators`` and ``plot_front`` (:mod:`hanas.study.notebooks`).
"""

TYPE_CHECKING = False  # as typing has it, which is not imported: it may be a file of the user's
if TYPE_CHECKING:
    from hanas.study.notebooks import (
        found_front,
        indicators,
        load_accuracies,
        load_device,
        load_proxy,
        load_space,
        plot_front,
        search,
    )

__all__ = [
    "found_front",
    "indicators",
    "load_accuracies",
    "load_device",
    "load_proxy",
    "load_space",
    "plot_front",
    "search",
]

__version__ = "0.2.0"
#: The value of PYTHONSAFEPATH where it is ours: any text means yes to Python.
SAFE_PATH = "hanas"


def leave_the_current_folder() -> None:
    """Take the folder that a command is called in off the path where Python finds modules.

    ``python -m``, and an empty part of PYTHONPATH, put it there: a ``random.py`` of the user's
    would be run as if it were Python's own. It stays where it is the folder of this package.
    """
    # Built in, so that no file of theirs can stand in their place.
    import posix
    import sys

    here = posix.getcwd()
    if not __file__.startswith(f"{here}/hanas/"):
        sys.path[:] = [path for path in sys.path if path not in ("", ".", here)]
        import os

        if "PYTHONPATH" in os.environ:  # of the processes that are started from here
            parts = os.environ["PYTHONPATH"].split(os.pathsep)
            parts = [part for part in parts if part not in ("", ".", here)]
            os.environ["PYTHONPATH"] = os.pathsep.join(parts)


def __getattr__(name: str) -> object:
    """Return what is for notebooks, which imports pandas and the like, when it is asked for."""
    if name in __all__:
        from importlib import import_module

        # The package of this name can be called, as it stands in the function's place.
        whole = import_module("hanas.search" if name == "search" else "hanas.study.notebooks")
        return whole if name == "search" else getattr(whole, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
