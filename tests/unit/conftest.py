"""Fixtures of the unit tests."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from toy_pictures import toy_images
from toy_supernets import settings_of, train

from hanas.data.images import ImageData, save_images


@pytest.fixture(scope="session")
def toy_data() -> ImageData:
    return toy_images()


@pytest.fixture(scope="session")
def toy_file(tmp_path_factory: pytest.TempPathFactory, toy_data: ImageData) -> Path:
    path = tmp_path_factory.mktemp("toy") / "toy.pt"
    save_images(toy_data, path)
    return path


@pytest.fixture(scope="session")
def trained(toy_file: Path, tmp_path_factory: pytest.TempPathFactory):
    """Returns a function (trainer, space="nb201") -> folder of a small supernet, trained once.

    Tests leave its files as they are.
    """

    @cache
    def folder_of(trainer: str, space: str = "nb201") -> Path:
        folder = tmp_path_factory.mktemp(f"{trainer}_{space}")
        lines: list[str] = []
        train(settings_of(trainer, space), toy_file, folder, lines.append)
        (folder / "log").write_text("\n".join(lines))
        return folder

    return folder_of


@pytest.fixture
def coloured(tmp_path: Path) -> Path:
    """File of 60 images of three colours, the classes; 10 of them validate, 20 test."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    pixels = rng.integers(0, 100, size=(60, 8, 8, 3))
    pixels[np.arange(60), :, :, labels] += 120
    splits = {
        "train": np.arange(30),
        "validation": np.arange(30, 40),
        "test": np.arange(40, 60),
    }
    data = ImageData(pixels.astype(np.uint8), labels, ("a", "b", "c"), splits, ())
    save_images(data, tmp_path / "images.pt")
    return tmp_path / "images.pt"
