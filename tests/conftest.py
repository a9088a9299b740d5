"""Fixtures shared by all tests."""

import os
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
def computed_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A tiny study that is computed whole. Tests put back what they edit."""
    study = make_study(tmp_path_factory.mktemp("computed") / "study")
    study.run()
    return study
