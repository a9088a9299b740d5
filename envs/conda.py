"""Write envs/hanas.yaml, the environment as conda sees it, from the lock file.

``make lock`` runs it, and so must who raises the version. Nothing in the file may be relative to
it: Snakemake copies it to another folder before conda reads it.
"""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

import hanas  # noqa: E402

_HEAD = """\
# Made by envs/conda.py from requirements.lock: edit that, not this file. Snakemake copies it to
# another folder, so nothing in it is relative. hanas itself is on an index after its release; the
# rules put the place there that they were read from (hanas/study/environments.py).
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python 3.11.*
  - pip
  - pip:
"""


def environment() -> str:
    """Return the text of envs/hanas.yaml."""
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lock if line and not line.startswith("#")]
    lines = [f"hanas=={hanas.__version__}", *pins]
    return _HEAD + "".join(f"      - {line}\n" for line in lines)


if __name__ == "__main__":
    (REPOSITORY / "envs" / "hanas.yaml").write_text(environment(), encoding="utf-8")
