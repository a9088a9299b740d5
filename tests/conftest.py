"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


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
