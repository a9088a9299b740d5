"""Say what a study will compute and about how long its trainings take, before anything starts."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.progress import duration
from hanas.core.settings import Settings
from hanas.data.datasets._dataset import Census
from hanas.proxies.learned import Learned
from hanas.spaces._space import Space
from hanas.study import facts
from hanas.study._entries import Job
from hanas.study.explain import graph_of, study_file
from hanas.study.graph import Graph
from hanas.study.results import made_by, result
from hanas.study.settings import Study

_WARM_UP, _STEPS = 2, 5


@dataclass(frozen=True)
class _Training:
    """A kind of training: what it is called, how many there are, and how each is trained."""

    name: str
    count: int
    dataset: str
    space: Space
    settings: Any  # with ``network``, ``training`` and ``threads``
    splits: tuple[str, ...] = ("train",)  # of the data set, that it trains on
    shared: bool = False  # whether it is a supernet


def in_words(folder: Path, configfile: Path | None) -> str:
    """Return what is still to be computed of the study in a folder, and what training it costs.

    The times are measured now, in a few steps on random images, on this machine. InputError if the
    settings are wrong.
    """
    graph = graph_of(study_of(folder, configfile), folder)
    jobs = graph.jobs()
    left = left_to_compute(folder, jobs)
    counts = Counter(made[0] for path in left if (made := made_by(path)))
    said = ", ".join(f"{count} {rule}" for rule, count in counts.most_common())
    of_others = sum((folder / path).exists() for path in left)
    why = f", or are of other settings or files ({of_others})" if of_others else ""
    lines = [
        f"{len(left)} of {len(jobs)} results are not there yet{why}: {said or 'nothing to do'}."
    ]
    trainings = list(_trainings(graph.study, left))
    if trainings:
        lines += ["", "Trainings, timed now on this machine; two or more run side by side:"]
    study = f" --configfile {shlex.quote(str(configfile))}" if configfile else ""
    census = cache(lambda dataset: _census(graph, dataset, folder))  # trainings share data sets
    lines += [_told(training, census, study) for training in trainings]
    for name in dict.fromkeys(task.space for task in graph.study.tasks.values()):
        lines += ["", f"Space {name} holds {plugins.space(name).count:,} architectures."]
    return "\n".join(lines)


def study_of(folder: Path, configfile: Path | None) -> Path:
    """Return the file of a study: the one that is given, or the folder's; InputError: none."""
    path = configfile or study_file(folder) or folder / "config.yaml"
    if not path.is_file():
        raise InputError(f"{path}: no such file; name the study's settings with --configfile")
    return path


def left_to_compute(folder: Path, jobs: Mapping[str, Job]) -> dict[str, Job]:
    """Return the jobs whose results are missing or outdated, and all that read of these."""
    left: dict[str, Job] = {}
    for path, job in jobs.items():  # each before those that read it
        rule, names = made_by(path) or ("", {})
        read = {result(made[0], **made[1]) for made in map(made_by, job.files) if made}
        old = facts.outdated(rule, names, job, folder) if (folder / path).exists() else None
        if old is None or old.settings or old.contents or read & left.keys():
            left[path] = job
    return left


def _trainings(study: Study, left: dict[str, Job]) -> Iterator[_Training]:
    for name, found in study.supernets.items():
        if result("train_supernet", supernet=name) in left:
            space = plugins.space(found.space)
            yield _Training(f"supernet {name}", 1, found.dataset, space, found, shared=True)
    chosen = [made[1] for path in left if (made := made_by(path)) and made[0] == "train_chosen"]
    for proxy, dataset in dict.fromkeys((made["proxy"], made["dataset"]) for made in chosen):
        found = study.proxies[proxy]
        assert isinstance(found, Learned)
        count = sum((made["proxy"], made["dataset"]) == (proxy, dataset) for made in chosen)
        rounds = " + ".join(map(str, found.batches))
        name = f"proxy {proxy}, {rounds} architectures in rounds"
        space = plugins.space(found.space)
        yield _Training(name, count, dataset, space, found.from_scratch)
    for name, found in study.retrainings.items():
        if result("retrain", retraining=name) in left:
            task = study.tasks[found.task]
            count = len(found.archs or found.published or range(found.picks)) + found.random
            settings = found.model_copy(update={"network": study.network_of(name)})
            space, splits = plugins.space(task.space), tuple(found.images.split("_and_"))
            name, count = f"retraining {name}", count * found.seeds
            yield _Training(name, count, task.dataset, space, settings, splits)


def _told(training: _Training, census_of: Callable[[str], Census | None], study: str) -> str:
    from hanas.data.batches import steps_per_epoch

    how = training.settings.training
    try:
        census = census_of(training.dataset)
    except InputError as error:
        return f"- {training.name}: {training.count} x {how.epochs} epochs; {error}"
    if census is None:
        read = f"snakemake --cores 1 {result('dataset', dataset=training.dataset)}{study}"
        return (
            f"- {training.name}: {training.count} x {how.epochs} epochs; about how long is known "
            f"once the images are read: {read}"
        )
    seconds = seconds_per_step(training, how.resolution or census.side, census.classes)
    images = sum(census.images[name] for name in training.splits)
    steps = how.epochs * steps_per_epoch(images, how.batch_size, how.batches_per_epoch)
    total = training.count * steps * seconds
    return (
        f"- {training.name}: {training.count} x {how.epochs} epochs of {images:,} images, "
        f"{1000 * seconds:.0f} ms a step of {how.batch_size}: about {duration(steps * seconds)} "
        f"each, {duration(total)} one after the other"
    )


def _census(graph: Graph, dataset: str, folder: Path) -> Census | None:
    """Return how many images there are: as they were read, or as the data folder has them."""
    from hanas.data.images import load_images

    file = folder / result("dataset", dataset=dataset)
    if not file.exists():
        return graph.study.datasets[dataset].census(graph.data)
    data = load_images(file)
    images = {name: len(split) for name, split in data.splits.items()}
    return Census(images, len(data.classes), data.images.shape[1])


def seconds_per_step(training: _Training, side: int, classes: int) -> float:
    """Return how long a step takes, the median of a few, on random images (B, 3, side, side).

    Of networks of their own it is that of an architecture of middle size.
    """
    import time

    import numpy as np
    import torch

    from hanas.core.compute import threads
    from hanas.data.batches import Batch
    from hanas.training.epochs import WeightStepper

    space, settings, rng = training.space, training.settings, np.random.default_rng(0)
    genes = space.sample(101, rng)
    middle = genes[np.argsort(space.flops(genes), kind="stable")[len(genes) // 2]]
    network: Settings = settings.network
    fitted = space.for_images(network, (side, side), None, "images")
    if training.shared:
        made = space.supernet(classes, fitted)
        forward = lambda images: made(images, middle.tolist())  # noqa: E731
    else:
        made = forward = space.build(middle, classes, fitted)
    made = made.to(memory_format=torch.channels_last)
    stepper = WeightStepper(list(made.parameters()), settings.training)
    size = settings.training.batch_size
    images = torch.rand(size, 3, side, side).contiguous(memory_format=torch.channels_last)
    batch = Batch(images, torch.from_numpy(rng.integers(0, classes, size)))
    taken = []
    with threads(settings.threads):
        for _ in range(_WARM_UP + _STEPS):
            started = time.perf_counter()
            stepper.step(batch, forward)
            taken.append(time.perf_counter() - started)
    return float(np.median(taken[_WARM_UP:]))
