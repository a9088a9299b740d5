"""A job of the workflow in plain data, and what jobs take from the entries of a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hanas.core import contents
from hanas.core.errors import InputError
from hanas.core.files import user_path
from hanas.core.settings import UserFile, canonical, marked
from hanas.devices._device import MeasuredDevice
from hanas.study.results import result
from hanas.study.rows import Rows
from hanas.study.settings import Retraining, Study, Task


class Job:
    """What a job reads and depends on.

    ``inputs`` are files by their role in the script: a path, or a list of paths. ``params`` are the
    plain settings that change the result, keys sorted, with the ``revision`` of the code among
    them: Snakemake does not see changes in imported code, so it is raised whenever such a change
    changes what the job computes. The job and all that reads of it then run again. ``threads`` are
    the cores that it takes, ``compute`` is where it computes: ``auto``, ``cpu`` or ``cuda``.
    """

    def __init__(
        self,
        inputs: Mapping[str, str | list[str]] | None = None,
        *,
        revision: int = 1,
        threads: int = 1,
        compute: str = "cpu",
        **params: Any,
    ) -> None:
        self.inputs, self.threads, self.compute = inputs or {}, threads, compute
        self.params: Mapping[str, Any] = canonical({"revision": revision, **params})

    @property
    def files(self) -> list[str]:
        """All files that are read."""
        read = self.inputs.values()
        return [one for files in read for one in ([files] if isinstance(files, str) else files)]


class Entries:
    """The entries of a study by name, for the jobs that are made of them.

    ``data`` is the folder that the user's relative paths start from.
    """

    def __init__(self, study: Study, data: Path) -> None:
        self.study, self.data, self.rows = study, data, Rows(study)

    def user_file(self, name: str) -> str:
        """Return the path of one of the user's files: relative ones lie in the data folder."""
        return str(user_path(self.data, name))

    def _own_files(self, found: Any) -> dict[str, Any]:
        """Return the user's files that an entry names, by the path of the setting."""
        named = ((path, name) for path, name, _ in marked(found, UserFile))
        return {"_".join(path): self.user_file(name) for path, name in named}

    def _entry(self, section: str, *names: str) -> Any:
        """Return an entry; a name that does not exist is an error that lists all."""
        found = getattr(self.study, section)
        for name in names:
            if name not in found:
                known = ", ".join(found) or "(none)"
                raise InputError(f"{section} has no {name!r}; it has: {known}")
            found = found[name]
        return found

    def _retraining(self, name: str) -> tuple[Retraining, Task, dict[str, Any]]:
        """Return an entry, its task, and the network and the training that models depend on."""
        found = self._entry("retrainings", name)
        network = self.study.network_of(name).params()
        how = {"network": network, "training": found.training.params()}
        return found, self.study.tasks[found.task], how

    def _measured(self, device: str) -> MeasuredDevice:
        found = self._entry("devices", device)
        if not isinstance(found, MeasuredDevice):
            raise InputError(f"devices.{device} is of kind {found.kind}, which is not measured")
        return found


def contents_of(found: Any, data: Path) -> dict[str, str | None]:
    """Return what each of the user's files that an entry names holds, by the path of the setting.

    In the settings of the job and not among its inputs: Snakemake sees in a folder that a file is
    added, but not that one is changed.
    """
    named = ((path, user_path(data, name)) for path, name, _ in marked(found, UserFile))
    return {".".join(path): contents.content(file) for path, file in named}


def images_of(dataset: str) -> dict[str, Any]:
    return {"images": result("dataset", dataset=dataset)}


def taken_by(found: Any) -> dict[str, Any]:
    return {"threads": getattr(found, "threads", 1), "compute": getattr(found, "device", "cpu")}


def as_measured(device: MeasuredDevice, space: str) -> dict[str, Any]:
    """Return how a device is measured, with the network of a space."""
    network, threads = device.networks[space].params(), device.threads_taken
    how = {"device": device.params(), "space": space, "network": network}
    if (state := device.state()) is not None:
        how["state"] = state
    return {"revision": 3, "threads": threads, **how}
