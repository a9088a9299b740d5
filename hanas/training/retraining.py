"""Train chosen architectures, each as a network of its own, from scratch or a supernet on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from hanas.core import live, plugins
from hanas.core.compute import choose_device, generator, threads
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.memory import enough_memory
from hanas.core.progress import Log, print_at_once
from hanas.data.batches import Batch, images_at_a_time, load_split, random_batches, steps_per_epoch
from hanas.data.class_accuracy import ClassAccuracy, counts_of
from hanas.data.images import load_images
from hanas.spaces.networks import published
from hanas.training import epochs
from hanas.training.inherited import inherit, load_start, recalibrate
from hanas.training.settings import FromScratch

#: Batches of training images from which statistics of inherited networks are computed at most.
CALIBRATION_BATCHES = 16


def retrain(
    archs: Sequence[str],
    settings: FromScratch,
    images: str | Path,
    *,
    checkpoints: str | Path,
    seeds: int = 1,
    supernet: str | Path | None = None,
    log: Log = print_at_once,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, dict[str, torch.Tensor]]]:
    """Train architectures one after the other and test them.

    ``archs`` are canonical texts of the space, or names of published networks
    (:mod:`hanas.spaces.networks.published`); ``images`` is a file of
    :func:`hanas.data.images.save_images`. Each is trained ``seeds`` times, with the seed of the
    settings and those that follow it. In the folder ``checkpoints`` are side files, one for each
    training, from which a killed one goes on; the caller removes it when the results are written.
    With ``supernet``, a file of :func:`hanas.training.supernets.save_supernet`, each begins with
    its part of that one's weights instead of random ones.

    Returns ``metrics`` (``arch``, ``test_accuracy_percent``, ``test_cross_entropy``, ``params`` of
    the trained network, ``train_images``, ``test_images``, ``test_balanced_percent``, the accuracy
    of each class as a JSON object, ``test_class_percent``, and ``test_warning``; the same of
    ``validation`` images where they were not trained on; and :func:`over_seeds`, also of the
    balanced accuracy where networks are compared by that), the history
    (``arch``, ``seed`` and what :func:`hanas.training.epochs.run` says of an epoch), and the state
    dict of each architecture. All but the history and :func:`over_seeds` are of the first seed.
    InputError for a setting that cannot be here, unsuitable images, or a loss that is not finite.
    """
    training = FromScratchTraining(
        settings, images, checkpoints=checkpoints, log=log, supernet=supernet
    )
    rows, history, weights = [], [], {}
    trainings = len(archs) * seeds
    for number, arch in enumerate(archs):
        of_seeds = []
        for seed in range(settings.seed, settings.seed + seeds):
            which = f", seed {seed}" if seeds > 1 else ""
            log(f"architecture {number + 1} of {len(archs)}{which}: {arch}")
            done = number * seeds + seed - settings.seed
            live.among(f"training {done + 1} of {trainings}", more=trainings - done - 1)
            row, epoch_rows, of_seed = training.train(arch, seed)
            if seed == settings.seed:
                rows.append(row)
                weights[arch] = of_seed
            of_seeds.append(row)
            history += epoch_rows
        rows[-1] |= over_seeds(of_seeds, settings.training.judged_by)
    return pd.DataFrame(rows), pd.DataFrame(history), weights


def over_seeds(rows: Sequence[Mapping[str, Any]], judged_by: str) -> dict[str, Any]:
    """Return ``seeds``, and mean and standard deviation of test accuracies, in percent.

    ``rows`` are an architecture's, one a seed; of what it is ``judged_by`` beside its accuracy
    there are columns too. The deviation is of a sample; NaN for one seed, which shows none.
    """
    found: dict[str, Any] = {"seeds": len(rows)}
    for name in dict.fromkeys(f"test_{accuracy}_percent" for accuracy in ("accuracy", judged_by)):
        percents = [row[name] for row in rows]
        found[f"{name}_mean"] = float(np.mean(percents))
        found[f"{name}_std"] = float(np.std(percents, ddof=1)) if len(rows) > 1 else np.nan
    return found


class FromScratchTraining:
    """Trains architectures one by one; what all of them share is loaded once.

    Trained networks are judged by the test images, and by the validation images where they were
    not trained on; with ``validate``, InputError if they were. InputError for unsuitable images,
    and for a ``supernet`` that networks with these settings cannot begin from.
    """

    def __init__(
        self,
        settings: FromScratch,
        images: str | Path,
        *,
        checkpoints: str | Path,
        log: Log,
        validate: bool = False,
        supernet: str | Path | None = None,
    ) -> None:
        if validate and settings.images == "train_and_validation":
            raise InputError(
                f"images is {settings.images}: validation images must be left to choose by"
            )
        self.settings, self.images, self.log = settings, images, log
        self.checkpoints = Path(checkpoints)
        self.device = choose_device(settings.train_on, settings.precision)
        self.data, training = load_images(images), settings.training
        size = {"resolution": training.resolution, "device": self.device}
        self.train_split = load_split(
            self.data, *settings.images.split("_and_"), crop_padding=training.crop_padding, **size
        )
        judged_by = ("validation", "test") if settings.images == "train" else ("test",)
        self.judged_by = {name: load_split(self.data, name, **size) for name in judged_by}
        # Not on what chose an architecture: another choice goes on with what is trained.
        self.depends_on = epochs.depends_on(settings, images, self.device)
        self.start = None
        if supernet is not None:
            self.depends_on["supernet"] = checksum(supernet)
            space = plugins.space(settings.space)
            fitted, classes = self._fitted(space), len(self.data.classes)
            self.start = load_start(supernet, settings.space, classes, fitted)

    def train(
        self, arch: str, seed: int | None = None
    ) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, torch.Tensor]]:
        """Return an architecture's row of metrics, its history and weights, see :func:`retrain`.

        Where it was validated, the row has columns of that too. Weights are on the CPU. The seed is
        that of the settings, where none is given.
        """
        seed = self.settings.seed if seed is None else seed
        row: dict[str, Any] = {"arch": arch}
        remedy = "set training.batch_size or training.resolution lower, or give the job more memory"
        with threads(self.settings.threads), enough_memory(f"training {arch}", remedy):
            network = self.begun(arch, seed)
            checkpoint = self.checkpoints / f"{digest(arch)[:16]}.{seed}.pt"
            belongs_to = digest({"arch": arch, "seed": seed, **self.depends_on})
            epoch_rows, _ = epochs.run(
                self._loop(network, seed),
                checkpoint=checkpoint,
                belongs_to=belongs_to,
                log=self.log,
            )
            for split, images in self.judged_by.items():
                cross_entropy, right = epochs.judged(
                    network,
                    network,
                    images,
                    batch_size=images_at_a_time(images, epochs.EVALUATION_BATCH),
                    precision=self.settings.precision,
                )
                of_split = ClassAccuracy(self.data.classes, counts_of(self.data, split), right)
                error = 1 - int(right.sum()) / len(images)
                row[f"{split}_accuracy_percent"] = 100 * (1 - error)
                row[f"{split}_cross_entropy"] = cross_entropy
                row |= of_split.columns(f"{split}_")
                self.log(
                    f"{split} accuracy {of_split.percent:.2f} %, balanced "
                    f"{of_split.balanced_percent:.2f} %, on {len(images)} images"
                )
                row[f"{split}_warning"] = of_split.warning(split) or ""
                if row[f"{split}_warning"]:
                    self.log(f"Warning: {row[f'{split}_warning']}")
        row["params"] = sum(weight.numel() for weight in network.parameters())
        row["train_images"] = len(self.train_split)
        row |= {f"{split}_images": len(images) for split, images in self.judged_by.items()}
        weights = {name: value.detach().cpu() for name, value in network.state_dict().items()}
        history = [{"arch": arch, "seed": seed, **of_epoch} for of_epoch in epoch_rows]
        return row, history, weights

    def begun(self, arch: str, seed: int) -> Any:
        """Return the network of an architecture before its first step, on the device.

        InputError for a published network, if it were to begin from a supernet.
        """
        space = published.space_of(arch, self.settings.space)
        fitted, classes = self._fitted(space), len(self.data.classes)
        network = space.build(space.from_text(arch), classes, fitted, seed=seed)
        network = network.to(self.device).to(memory_format=torch.channels_last)
        if self.start is None:
            return network
        if published.named(arch) is not None:
            raise InputError(f"{arch} is a published network, which no supernet holds")
        inherit(network, self.start, space.from_text(arch))
        training, images = self.settings.training, len(self.train_split)
        count = min(steps_per_epoch(images, training.batch_size, None), CALIBRATION_BATCHES)
        batches = self._batches(count, generator(seed, "calibration batches"))
        recalibrate(network, (batches(number).images for number in range(count)))
        return network

    def _fitted(self, space: Any) -> Any:
        settings, size = self.settings, self.data.images.shape[1:3]
        return space.for_images(settings.network, size, settings.training.resolution, self.images)

    def _batches(self, steps: int, random: torch.Generator) -> Callable[[int], Batch]:
        size, flip = self.settings.training.batch_size, self.settings.training.flip
        return random_batches(
            self.train_split, steps=steps, batch_size=size, flip=flip, random=random
        )

    def _loop(self, network: torch.nn.Module, seed: int) -> epochs.Loop:
        settings, training = self.settings, self.settings.training
        of_classes = epochs.class_weights_of(training, self.data, self.train_split)
        weights, size = list(network.parameters()), training.batch_size
        stepper = epochs.WeightStepper(weights, training, settings.precision, of_classes)
        steps = steps_per_epoch(len(self.train_split), size, training.batches_per_epoch)

        def begin_epoch(epoch: int):
            batches = self._batches(steps, generator(seed, "train batches", epoch))
            return lambda number: stepper.step(batches(number), network)

        def columns(epoch: int, rate: float) -> dict[str, float]:
            return {"learning_rate": rate}

        return epochs.Loop(stepper, steps, begin_epoch, columns, {"network": network})
