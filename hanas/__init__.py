"""Hardware-aware neural architecture search: supernets, device tables, searches and Pareto fronts.

The library behind the Snakemake workflow of the same name. It never imports snakemake and never
reads ``config.yaml``: each function gets what it needs as arguments.
"""

__version__ = "0.1.0"
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
