"""Train chosen architectures from scratch, each as a network of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from hanas.core import plugins
from hanas.core.compute import choose_device, threads
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest
from hanas.core.progress import Log, print_at_once
from hanas.core.randomness import generator
from hanas.data.batches import Split, load_split, random_batches, steps_per_epoch
from hanas.data.images import ImageData, load_images
from hanas.spaces.networks import architectures, published
from hanas.training import epochs
from hanas.training.settings import FromScratch
from hanas.training.weight_steps import StepResult, WeightStepper, evaluate

#: The splits that each choice of ``images`` trains on.
IMAGES = {"train": ("train",), "train_and_validation": ("train", "validation")}


def retrain(
    archs: Sequence[str],
    settings: FromScratch,
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
        (:data:`hanas.spaces.networks.published.NAMES`).
    settings
        How they are trained.
    images
        File of the data set, written by :func:`hanas.data.images.save_images`.
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
        For a setting that cannot be here, unsuitable images, or a loss that is not finite.
    """
    setup = prepare(settings, images, checkpoints=checkpoints, log=log)
    rows, history, weights = [], [], {}
    for number, arch in enumerate(archs):
        log(f"architecture {number + 1} of {len(archs)}: {arch}")
        row, epoch_rows, weights[arch] = train_one(arch, setup)
        rows.append(row)
        history += epoch_rows
    return pd.DataFrame(rows), pd.DataFrame(history), weights


@dataclass(frozen=True, eq=False)
class Setup:
    """What every training of one retraining shares.

    Attributes
    ----------
    settings, images, checkpoints, log
        See :func:`retrain`.
    device, data
        Where, and on which data set.
    train
        The images that are trained on.
    judged
        The splits that a trained network is judged by: ``test``, and ``validation`` where it is
        asked for.
    depends_on
        What a training depends on, but for its architecture.
    """

    settings: FromScratch
    images: str | Path
    checkpoints: Path
    log: Log
    device: torch.device
    data: ImageData
    train: Split
    judged: Mapping[str, Split]
    depends_on: Mapping[str, Any]


def prepare(
    settings: FromScratch,
    images: str | Path,
    *,
    checkpoints: str | Path,
    log: Log,
    validate: bool = False,
) -> Setup:
    """Return what :func:`train_one` needs; with ``validate``, networks are validated too.

    Raises
    ------
    InputError
        For unsuitable images, or validation images that are trained on.
    """
    device = choose_device(settings.train_on, settings.precision)
    if validate and "validation" in IMAGES[settings.images]:
        raise InputError(
            f"images is {settings.images}: validation images must be left to choose by"
        )
    data, training = load_images(images), settings.training
    size = {"resolution": training.resolution, "device": device}
    judged = ("validation", "test") if validate else ("test",)
    return Setup(
        settings=settings,
        images=images,
        checkpoints=Path(checkpoints),
        log=log,
        device=device,
        data=data,
        train=load_split(
            data, *IMAGES[settings.images], crop_padding=training.crop_padding, **size
        ),
        judged={name: load_split(data, name, **size) for name in judged},
        depends_on={
            # Not on what chose the architecture: another choice goes on with what is trained.
            "settings": settings.params(),
            "revision": settings.revision,
            "images": checksum(images),
            "computed by": [torch.__version__, device.type],
        },
    )


def train_one(
    arch: str, setup: Setup
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, torch.Tensor]]:
    """Train one architecture and judge it.

    Returns
    -------
    row
        Its row of metrics, see :func:`retrain`; where it was validated, with
        ``validation_accuracy_percent``, ``validation_cross_entropy`` and ``validation_images``.
    history
        An epoch a row, see there.
    weights
        State dict, on the CPU.
    """
    settings = setup.settings
    maker = published if arch in published.NAMES else plugins.space(settings.space)
    size, resolution = setup.data.images.shape[1:3], settings.training.resolution
    network: Any = architectures.build(  # PyTorch's types know no memory_format
        arch,
        space=settings.space,
        classes=len(setup.data.classes),
        network=architectures.settings_for_images(
            maker, settings.network, size, resolution, setup.images
        ),
        seed=settings.seed,
    )
    network = network.to(setup.device).to(memory_format=torch.channels_last)
    row: dict[str, Any] = {"arch": arch}
    with threads(settings.threads):
        epoch_rows = epochs.run(
            _loop(network, setup.train, settings),
            checkpoint=setup.checkpoints / f"{digest(arch)[:16]}.pt",
            belongs_to=digest({"arch": arch, **setup.depends_on}),
            log=setup.log,
        )
        for split, images in setup.judged.items():
            precision = settings.precision
            cross_entropy, error = evaluate(network, network, images, precision=precision)
            setup.log(f"{split} accuracy {100 * (1 - error):.2f} % on {len(images)} images")
            row[f"{split}_accuracy_percent"] = 100 * (1 - error)
            row[f"{split}_cross_entropy"] = cross_entropy
    row["params"] = sum(weight.numel() for weight in network.parameters())
    row["train_images"] = len(setup.train)
    row |= {f"{split}_images": len(images) for split, images in setup.judged.items()}
    weights = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    return row, [{"arch": arch, **of_epoch} for of_epoch in epoch_rows], weights


def _loop(network: torch.nn.Module, train: Split, settings: FromScratch) -> epochs.Loop:
    training = settings.training
    stepper = WeightStepper(list(network.parameters()), training, settings.precision)
    steps = steps_per_epoch(len(train), training.batch_size, training.batches_per_epoch)

    def begin_epoch(epoch: int):
        batches = random_batches(
            train,
            steps=steps,
            batch_size=training.batch_size,
            flip=training.flip,
            random=generator(settings.seed, "train batches", epoch),
        )

        def step(number: int) -> StepResult:
            return stepper.step(batches(number), network)

        return step

    def end_epoch(epoch: int, rate: float) -> dict[str, float]:
        return {"learning_rate": rate}

    return epochs.Loop(stepper, steps, begin_epoch, end_epoch, {"network": network})
