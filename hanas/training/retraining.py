"""Train chosen architectures from scratch, each as a network of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from hanas import architectures, plugins
from hanas.checkpoints import Log, print_at_once
from hanas.compute import choose_device, threads
from hanas.errors import InputError
from hanas.files import checksum, digest
from hanas.fronts.picks import found_front, objectives_in
from hanas.fronts.representatives import choose
from hanas.images import load_images
from hanas.networks import published
from hanas.randomness import generator
from hanas.searching.tabular_search import METRICS
from hanas.settings import from_mapping
from hanas.training import epochs
from hanas.training.batches import Split, load_split, random_batches, steps_per_epoch
from hanas.training.weight_steps import (
    TrainingSettings,
    WeightStepper,
    evaluate,
    learning_rate,
    make_optimizer,
    set_learning_rate,
)

#: The splits that each choice of ``images`` trains on.
IMAGES = {"train": ("train",), "train_and_validation": ("train", "validation")}
#: Settings that choose what is trained, and change nothing of how.
_CHOOSING = frozenset({"archs", "peeling"})


def picks_of_front(history: pd.DataFrame, *, count: int, representative: str) -> list[str]:
    """Return architectures of the front that seed 0 of a search found.

    The representative comes first, then those that spread evenly by the first hardware metric,
    both ends included.

    Parameters
    ----------
    history
        A search history.
    count
        Architectures at most; fewer where the front has fewer points.
    representative
        A rule of :mod:`hanas.fronts.representatives`.

    Raises
    ------
    InputError
        If the search found no feasible architecture.
    """
    front = found_front(history)
    if front.empty:
        raise InputError("the search found no architecture that the device can run")
    objectives = objectives_in(history)
    metric = next((name for name in METRICS if name in objectives), objectives[-1])
    first = choose(front[objectives].to_numpy(dtype=float), representative)
    spread = np.argsort(front[metric].to_numpy(), kind="stable")
    others = spread[np.linspace(0, len(front) - 1, min(count, len(front))).round().astype(int)]
    positions = dict.fromkeys([first, *others.tolist(), *spread.tolist()])
    return [str(front["arch"].iloc[position]) for position in list(positions)[:count]]


def retrain(
    archs: Sequence[str],
    settings: Mapping[str, Any],
    images: str | Path,
    *,
    checkpoints: str | Path,
    log: Log = print_at_once,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, dict[str, torch.Tensor]]]:
    """Train architectures one after the other and test them.

    Parameters
    ----------
    archs
        Canonical texts of the space, or names of published networks
        (:data:`hanas.networks.published.NAMES`).
    settings
        ``space``, ``seed``, ``images`` (of :data:`IMAGES`), ``network``, ``training``,
        ``train_on`` (auto, cpu or cuda), ``precision`` and ``threads``.
    images
        File of the data set, written by :func:`hanas.images.save_images`.
    checkpoints
        Folder for side files, one for each architecture, from which a killed training goes on.
        The caller removes it when the results are written.
    log
        Takes a line of text for the log.

    Returns
    -------
    metrics
        ``arch``, ``test_accuracy_percent``, ``test_cross_entropy``, ``params`` of the trained
        network, ``train_images``, ``test_images``.
    history
        An epoch a row: ``arch``, ``epoch``, ``train_loss``, ``train_accuracy`` (fraction),
        ``learning_rate``, ``seconds``.
    weights
        State dict of each architecture.

    Raises
    ------
    InputError
        For a wrong setting, unsuitable images, or a loss that is not finite.
    """
    trainer = Trainer(settings, images, checkpoints=checkpoints, log=log)
    for number, arch in enumerate(archs):
        log(f"architecture {number + 1} of {len(archs)}: {arch}")
        trainer.train(arch)
    return trainer.results()


class Trainer:
    """Trains one architecture after the other on the same images.

    Parameters
    ----------
    settings, images, checkpoints, log
        See :func:`retrain`.
    validate
        Whether to look at the validation images too, which must not be trained on.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        images: str | Path,
        *,
        checkpoints: str | Path,
        log: Log = print_at_once,
        validate: bool = False,
    ) -> None:
        self.settings, self.images, self.log = settings, images, log
        self.checkpoints = Path(checkpoints)
        self.space = plugins.load("spaces", settings["space"])
        self.device = choose_device(settings["train_on"], settings["precision"])
        self.training = from_mapping(TrainingSettings, settings["training"], "training")
        self.data = load_images(images)
        self.belongs_to = {
            "settings": {key: value for key, value in settings.items() if key not in _CHOOSING},
            "images": checksum(images),
            "computed by": [torch.__version__, self.device.type],
        }
        size = {"resolution": self.training.resolution, "device": self.device}
        splits = IMAGES[settings["images"]]
        if validate and "validation" in splits:
            raise InputError(
                f"images is {settings['images']}: validation images must be left to choose by"
            )
        self.train_images = load_split(
            self.data, *splits, crop_padding=self.training.crop_padding, **size
        )
        judged = ("validation", "test") if validate else ("test",)
        self.judged = {name: load_split(self.data, name, **size) for name in judged}
        self.rows: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.weights: dict[str, dict[str, torch.Tensor]] = {}

    def train(self, arch: str) -> dict[str, Any]:
        """Train an architecture and return its row of metrics, see :func:`retrain`.

        With ``validate``, it has ``validation_accuracy_percent`` too.
        """
        settings = self.settings
        maker = published if arch in published.NAMES else self.space
        network: Any = architectures.build(  # PyTorch's types know no memory_format
            arch,
            space=settings["space"],
            classes=len(self.data.classes),
            network=architectures.settings_for_images(
                maker, settings["network"], self.data, self.training.resolution, self.images
            ),
            seed=settings["seed"],
        )
        network = network.to(self.device).to(memory_format=torch.channels_last)
        with threads(settings["threads"]):
            epoch_rows = epochs.run(
                _loop(network, self.train_images, self.training, settings),
                checkpoint=self.checkpoints / f"{digest(arch)[:16]}.pt",
                belongs_to=digest({"arch": arch, **self.belongs_to}),
                log=self.log,
            )
            row: dict[str, Any] = {"arch": arch}
            for split, images in self.judged.items():
                cross_entropy, error = evaluate(
                    network, network, images, precision=settings["precision"]
                )
                self.log(f"{split} accuracy {100 * (1 - error):.2f} % on {len(images)} images")
                row[f"{split}_accuracy_percent"] = 100 * (1 - error)
                row[f"{split}_cross_entropy"] = cross_entropy
        row["params"] = sum(weight.numel() for weight in network.parameters())
        row["train_images"] = len(self.train_images)
        row |= {f"{split}_images": len(images) for split, images in self.judged.items()}
        self.rows.append(row)
        self.history += [{"arch": arch, **of_epoch} for of_epoch in epoch_rows]
        self.weights[arch] = {k: v.detach().cpu() for k, v in network.state_dict().items()}
        return row

    def results(self) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, dict[str, torch.Tensor]]]:
        """Return what :func:`retrain` returns, of all that was trained."""
        return pd.DataFrame(self.rows), pd.DataFrame(self.history), self.weights


def _loop(
    network: torch.nn.Module,
    train: Split,
    training: TrainingSettings,
    settings: Mapping[str, Any],
) -> epochs.Loop:
    stepper = WeightStepper(
        make_optimizer(list(network.parameters()), training),
        training.gradient_clip,
        settings["precision"],
    )
    steps = steps_per_epoch(len(train), training.batch_size, training.batches_per_epoch)

    def rate_at(epoch: int, step: int) -> float:
        return learning_rate(training, (epoch * steps + step) / (training.epochs * steps))

    def begin_epoch(epoch: int):
        batches = random_batches(
            train,
            steps=steps,
            batch_size=training.batch_size,
            flip=training.flip,
            random=generator(settings["seed"], "train batches", epoch),
        )

        def step(number: int) -> epochs.StepResult:
            set_learning_rate(stepper.optimizer, rate_at(epoch, number))
            return stepper.step(batches(number), network)

        return step

    def end_epoch(epoch: int) -> dict[str, float]:
        return {"learning_rate": rate_at(epoch, 0)}

    state = {"network": network, "optimizer": stepper.optimizer}
    return epochs.Loop(training.epochs, steps, begin_epoch, end_epoch, state)
