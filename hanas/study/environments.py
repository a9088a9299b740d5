"""The conda environment of jobs, with the hanas that the rules are of.

``envs/hanas.yaml`` pins what jobs run with, and hanas itself by its version, which an index has
only after a release. Where the rules lie is known when they are parsed, so hanas is taken from
there: what jobs run is then what the rules were written for.
"""

from __future__ import annotations

import re
from pathlib import Path

from hanas.core.files import digest

_FOLDER = Path(".snakemake/hanas")
_HANAS = re.compile(r"^( *- )hanas==.*$", re.MULTILINE)


def from_folder(root: Path) -> str | None:
    """Return what pip is told to install hanas from a clone; None where there is none."""
    return f"--editable {root.as_uri()}" if (root / "pyproject.toml").is_file() else None


def from_git(url: str, ref: str) -> str:
    """Return what pip is told to install hanas from a repository.

    >>> from_git("https://example.org/group/hanas", "v1")
    'hanas @ git+https://example.org/group/hanas@v1'
    """
    return f"hanas @ git+{url}@{ref}"


def with_hanas_from(environment: str, place: str | None) -> str:
    r"""Return the text of an environment with hanas from a place, or by its version where None.

    >>> with_hanas_from("pip:\n  - hanas==1.0\n  - six==1.17.0\n", "--editable file:///clone")
    'pip:\n  - --editable file:///clone\n  - six==1.17.0\n'
    """
    if place is None:
        return environment
    return _HANAS.sub(lambda line: f"{line[1]}{place}", environment, count=1)


def write(environment: str) -> str:
    """Write an environment into the study's folder, once; return the absolute path."""
    path = _FOLDER / f"environment-{digest(environment)[:12]}.yaml"
    if not path.exists() or path.read_text(encoding="utf-8") != environment:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(environment, encoding="utf-8")
    return str(path.absolute())
