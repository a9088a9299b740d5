"""The project as others get it: a copy of its sources, a repository of them, a wheel of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from studies import REPOSITORY


def copied_to(folder: Path) -> Path:
    """Copy what Git knows of this working tree, or would add; links stay links."""
    listed = subprocess.run(
        ["git", "-C", str(REPOSITORY), "ls-files", "-co", "--exclude-standard", "-z"],
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name, follow_symlinks=False)
    return folder


def repository_in(folder: Path, *, tag: str) -> Path:
    """Make a repository of the sources, with one commit that has a tag."""
    git = ["git", "-C", str(copied_to(folder)), "-c", "user.name=me", "-c", "user.email=me@here"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"], ["tag", tag]):
        subprocess.run([*git, *words], check=True)
    return folder


def wheel_in(folder: Path) -> Path:
    """Build the wheel of the sources, with the setuptools that is installed here."""
    # Of a copy: setuptools writes into the sources, and takes what an older build has left there.
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(copied_to(folder / "sources"))], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment_in(folder: Path) -> Path:
    """Make a virtual environment that has what is installed here but hanas; return its Python.

    It has no pip: ``pip --python`` installs into it.

    A path file makes what is installed here known without a copy of its gigabytes. Editable
    installs, as hanas may be one, are path files themselves, which are not followed.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    installed = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "installed_here.pth").write_text("\n".join(installed) + "\n", encoding="utf-8")
    return folder / "bin" / "python"


def plain_environment(**variables: str) -> dict[str, str]:
    """Return the variables of this process without those that lead back to this clone."""
    ours = ("PYTHONPATH", "HANAS_DATA", "HANAS_PLUGINS", "OMP_NUM_THREADS", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in ours} | variables
