"""Fixtures shared by all tests."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from studies import Study, make_study

# Before torch is imported. Tests run in as many processes as there are cores; if each had as many
# threads, they would wait for each other most of the time. Studies do not inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with the real tables and images; tests that need it are skipped without it."""
    folder = os.environ.get("HANAS_DATA")
    if not folder:
        pytest.skip("HANAS_DATA is not set: no real tables to test with")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"HANAS_DATA is {folder!r}, which is not a folder")
    return path


@pytest.fixture
def fresh_study(tmp_path: Path) -> Study:
    """A tiny study of which nothing is computed yet."""
    return make_study(tmp_path / "study")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[..., Study]:
    """Returns a function (name, make, compute) -> study that is computed once.

    Once for all processes of the tests; each has a copy of its own.
    """
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent  # that of all processes

    def study_of(
        name: str, make: Callable[[Path], Study], compute: Callable[[Study], object]
    ) -> Study:
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            study = Study(folder / name)
            if not study.folder.exists():
                make(study.folder)
            compute(study)
        copied = tmp_path_factory.mktemp(name) / "study"
        return Study(shutil.copytree(study.folder, copied))

    return study_of


@pytest.fixture(scope="session")
def computed_study(once: Callable[..., Study]) -> Study:
    """A tiny study that is computed whole, in one process. Tests put back what they edit."""
    return once("computed", make_study, Study.compute)


@pytest.fixture(scope="session")
def snakemake_study(once: Callable[..., Study]) -> Study:
    """The same, computed by the real command, which remembers what it did: for slow tests."""
    return once("by_snakemake", make_study, Study.run)
