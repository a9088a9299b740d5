"""What a data set is: the base class of the plugins in this folder."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from hanas.core.settings import Settings
from hanas.data.images import ImageData


class Dataset(Settings):
    """An image data set: its settings, and how it is read."""

    kind: Any  # a plugin says: Literal["its name"]

    @abstractmethod
    def load(self, root: Path, downloads: Path) -> ImageData:
        """Return the images, from the data folder ``root`` or else from the network.

        What is downloaded goes into the folder ``downloads``, where later runs find it. Raises
        InputError if a file in the data folder is missing or damaged, or no source gives the
        images.
        """

    def state(self, root: Path) -> str | None:
        """Return a digest of a folder of the user's own; None where settings say everything."""
        return None
