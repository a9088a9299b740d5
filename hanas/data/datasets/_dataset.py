"""What a data set is: the base classes of the plugins in this folder."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from hanas.core.files import checksum, user_path
from hanas.core.settings import Seed, Settings, UserFile
from hanas.data import splits
from hanas.data.images import ImageData


class Dataset(Settings):
    """An image data set: its settings, and how it is read."""

    kind: Any  # a plugin says: Literal["its name"]

    @abstractmethod
    def load(self, root: Path, downloads: Path) -> ImageData:
        """Return the images.

        Parameters
        ----------
        root
            The data folder.
        downloads
            Folder for downloaded files, which later runs use again.

        Raises
        ------
        InputError
            If a file in the data folder is missing or damaged, or no source gives the images.
        """

    def state(self, root: Path) -> str | None:
        """Return a digest of a folder of the user's own; None where settings say everything."""
        return None


class OfficialDataset(Dataset):
    """A data set of NAS-Bench-201, of which one part is divided into two."""

    split_seed: Seed = Field(
        0,
        description="Seed of the split into training and validation (CIFAR-10) or validation and "
        "test (the others), where no split_file is given.",
    )
    split_file: Annotated[str, UserFile()] | None = Field(
        None,
        description="File of the split in the form of NAS-Bench-201, relative to the data folder.",
    )

    def halves(
        self, count: int, keys: tuple[str, str], root: Path
    ) -> tuple[np.ndarray, np.ndarray, tuple[dict[str, str], ...]]:
        """Divide ``0 .. count - 1`` into two parts, by the file (its ``keys``) or by the seed.

        Returns
        -------
        tuple
            Two sorted int64 arrays, and the sources (one where a file was read).
        """
        if self.split_file is None:
            first, second = splits.random_halves(count, np.random.default_rng(self.split_seed))
            return first, second, ()
        path = user_path(root, self.split_file)
        first, second = splits.read_split(path, keys, count)
        source = {"file": path.name, "algorithm": "sha256", "how": "split file"}
        return first, second, ({**source, "checksum": checksum(path)},)
