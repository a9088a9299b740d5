"""Fixtures of the unit tests."""

from pathlib import Path

import pytest
from toy_pictures import toy_images

from hanas.images import ImageData, save_images


@pytest.fixture(scope="session")
def toy_data() -> ImageData:
    return toy_images()


@pytest.fixture(scope="session")
def toy_file(tmp_path_factory: pytest.TempPathFactory, toy_data: ImageData) -> Path:
    path = tmp_path_factory.mktemp("toy") / "toy.pt"
    save_images(toy_data, path)
    return path
