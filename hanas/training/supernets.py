"""Train a supernet, and keep it in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hanas.core import plugins
from hanas.core.checkpoints import Log, print_at_once
from hanas.core.compute import choose_device, threads
from hanas.core.errors import InputError
from hanas.core.files import checksum, digest, discard, write_json, write_parquet
from hanas.core.tensor_files import REMEDY, read_tensors, write_tensors
from hanas.data.batches import load_split
from hanas.data.images import load_images
from hanas.spaces.networks.architectures import settings_for_images
from hanas.spaces.networks.cell import CellNetwork
from hanas.spaces.networks.chain import ChainNetwork
from hanas.spaces.networks.settings import CellNetworkSettings, ChainSettings
from hanas.training import epochs
from hanas.training.snapshot_epochs import snapshot_epochs
from hanas.training.snapshots import Snapshots
from hanas.training.trainers._run import Run, Trainer, initial_alphas
from hanas.training.trainers._settings import SupernetSettings, supernet_settings
from hanas.training.weight_steps import (
    WeightStepper,
    learning_rate,
    make_optimizer,
    set_learning_rate,
)


@dataclass(frozen=True, eq=False)
class Supernet:
    """A trained supernet.

    Parameters
    ----------
    space, classes, network_settings
        What the network is made of.
    resolution
        Side of the images it was trained on, where they were average-pooled.
    weights
        State dict of the network.
    alphas
        Architecture weights, float32 (genes, operations); minus infinity for operations that
        cannot be there.
    earlier
        State dicts of snapshots that were taken before the end of the training.
    """

    space: str
    classes: int
    network_settings: CellNetworkSettings | ChainSettings
    resolution: int | None
    weights: Mapping[str, Tensor]
    alphas: Tensor
    earlier: Sequence[Mapping[str, Tensor]] = ()

    def network(self, device: torch.device | str = "cpu") -> CellNetwork | ChainNetwork:
        """Return the network with its last weights, in evaluation mode."""
        return self._network_with(self.weights, device)

    def snapshots(self, device: torch.device | str = "cpu") -> list[CellNetwork | ChainNetwork]:
        """Return the network with the weights of each snapshot, the last ones at the end."""
        return [self._network_with(weights, device) for weights in (*self.earlier, self.weights)]

    def _network_with(
        self, weights: Mapping[str, Tensor], device: torch.device | str
    ) -> CellNetwork | ChainNetwork:
        space = plugins.space(self.space)
        network = space.supernet(self.classes, self.network_settings)
        network.load_state_dict(weights)
        return network.to(device=device, memory_format=torch.channels_last).eval()


def train_supernet(
    settings: Mapping[str, Any],
    images: str | Path,
    *,
    weights: str | Path,
    history: str | Path,
    found: str | Path,
    checkpoint: str | Path,
    log: Log = print_at_once,
) -> dict[str, Any]:
    """Train a supernet and write its weights, its history and the architecture it found.

    On a CPU, equal settings give equal weights, bit for bit, also when the training was killed
    in between and continued from ``checkpoint``.

    Parameters
    ----------
    settings
        An entry of ``supernets``; see :class:`~hanas.training.trainers._settings.SupernetSettings`.
    images
        File of the data set, written by :func:`hanas.data.images.save_images`.
    weights
        For the network and its architecture weights; see :func:`load_supernet`.
    history
        Parquet, an epoch a row: ``epoch``, ``train_loss``, ``train_accuracy``,
        ``validation_loss``, ``validation_accuracy`` (fractions), ``learning_rate``, ``entropy``
        (mean over the edges or layers, in nats), ``alpha_{edge}_{operation}`` for operations that
        can be there, ``seconds``; ``tau`` of gdas.
    found
        JSON: ``arch``, ``how``, ``validation_error``, ``validation_cross_entropy``,
        ``validation_images``.
    checkpoint
        Side file for going on after a kill; deleted at the end.
    log
        Takes a line of text for the log.

    Returns
    -------
    dict
        What ``found`` holds, and ``device``.

    Raises
    ------
    InputError
        For a wrong setting, unsuitable images, or a loss that is not finite.
    """
    checked = supernet_settings(settings)
    trainer: Trainer = plugins.load("trainers", checked.trainer)  # type: ignore[assignment]
    with threads(checked.threads):
        run = prepare(checked, images)
        device = run.alphas.device.type
        belongs_to = digest(
            {
                "settings": {**asdict(checked), "network": dict(checked.network)},
                "images": checksum(images),
                "computed by": [torch.__version__, device],
            }
        )
        rows = epochs.run(
            loop_of(run, trainer), checkpoint=Path(checkpoint), belongs_to=belongs_to, log=log
        )
        genes, how = trainer.found(run, log)
        cross_entropy, error = run.judge_cell(genes)
    facts = {
        "arch": run.space.to_text(genes),
        "how": how,
        "validation_error": error,
        "validation_cross_entropy": cross_entropy,
        "validation_images": len(run.candidate_images),
    }
    log(f"found {facts['arch']}: {how}")
    save_supernet(
        Supernet(
            checked.space,
            run.network.classifier.out_features,
            run.network.settings,
            checked.training.resolution,
            run.network.state_dict(),
            run.alphas.detach(),
            [run.snapshots.taken[epoch] for epoch in run.snapshots.epochs],
        ),
        weights,
    )
    write_parquet(pd.DataFrame(rows).astype({"epoch": np.int64}), history)
    write_json(found, facts)
    discard(checkpoint)
    return {**facts, "device": device}


def prepare(settings: SupernetSettings, images: str | Path) -> Run:
    """Return a training that has not begun, with settings that were checked."""
    device = choose_device(settings.device, settings.precision)
    training, architecture = settings.training, settings.architecture
    space = plugins.space(settings.space)
    trainer: Trainer = plugins.load("trainers", settings.trainer)  # type: ignore[assignment]
    moments = snapshot_epochs(training.epochs, settings.snapshots)
    data = load_images(images)
    fitted = settings_for_images(
        space, settings.network, data.images.shape[1:3], training.resolution, images
    )
    network = space.supernet(len(data.classes), fitted, seed=settings.seed)
    network = network.to(device=device, memory_format=torch.channels_last)
    alphas = nn.Parameter(initial_alphas(settings, space, trainer.ALPHA_SCALE).to(device))
    size = {"resolution": training.resolution, "device": device}
    validation = load_split(data, "validation", **size)
    return Run(
        settings=settings,
        space=space,
        network=network,
        alphas=alphas,
        weight_stepper=WeightStepper(
            make_optimizer(list(network.parameters()), training),
            training.gradient_clip,
            settings.precision,
        ),
        alpha_optimizer=torch.optim.Adam(
            [alphas],
            lr=architecture.learning_rate,
            betas=architecture.betas,
            weight_decay=architecture.weight_decay,
        ),
        train=load_split(data, "train", crop_padding=training.crop_padding, **size),
        validation=validation,
        candidate_images=validation.take(settings.candidate_images),
        snapshots=Snapshots(network, moments[:-1]),
    )


def loop_of(run: Run, trainer: Trainer) -> epochs.Loop:
    """Return the training loop of a trainer: what its steps and epochs have in common."""
    training, optimizer = run.settings.training, run.weight_stepper.optimizer

    def rate_at(epoch: int, step: int) -> float:
        return learning_rate(training, (epoch * run.steps + step) / (training.epochs * run.steps))

    def begin_epoch(epoch: int):
        batches = run.train_batches(epoch)
        trainer_step = trainer.begin_epoch(run, epoch)

        def step(number: int) -> epochs.StepResult:
            set_learning_rate(optimizer, rate_at(epoch, number))
            return trainer_step(number, batches(number))

        return step

    def end_epoch(epoch: int) -> dict[str, float]:
        run.snapshots.take(epoch + 1)
        loss, error = run.judge(trainer.validation_forward(run, epoch))
        alphas = run.alphas.detach().cpu()
        entropy = torch.distributions.Categorical(logits=alphas).entropy().mean()
        return {
            "validation_loss": loss,
            "validation_accuracy": 1 - error,
            "learning_rate": rate_at(epoch, 0),
            **trainer.columns(run, epoch),
            "entropy": float(entropy),
            **{
                f"alpha_{edge}_{name}": float(alphas[edge, operation])
                for edge in range(len(alphas))
                for operation, name in enumerate(run.space.operations[: run.space.choices[edge]])
            },
        }

    state = {
        "network": run.network,
        "optimizer": optimizer,
        "alphas": nn.ParameterDict({"alphas": run.alphas}),
        "alpha_optimizer": run.alpha_optimizer,
        "snapshots": run.snapshots,
    }
    return epochs.Loop(training.epochs, run.steps, begin_epoch, end_epoch, state)


def save_supernet(supernet: Supernet, path: str | Path) -> None:
    """Write a supernet as a dictionary that ``torch.load(path, weights_only=True)`` reads.

    Equal supernets give equal bytes.
    """
    space = plugins.space(supernet.space)
    content = {
        "space": supernet.space,
        "classes": supernet.classes,
        "network_settings": space.settings(supernet.network_settings).model_dump(),
        "resolution": supernet.resolution,
        "weights": _plain(supernet.weights),
        "alphas": supernet.alphas.detach().cpu(),
        "earlier": [_plain(weights) for weights in supernet.earlier],
    }
    content["sha256"] = _content_digest(content)
    write_tensors(content, path)


def load_supernet(path: str | Path) -> Supernet:
    """Read a supernet written by :func:`save_supernet`.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind.
    """

    def parse(content: dict[str, Any]) -> tuple[Supernet, bool]:
        expected = content.pop("sha256")
        is_unchanged = _content_digest(content) == expected
        network = plugins.space(content["space"]).settings(content["network_settings"])
        return Supernet(**{**content, "network_settings": network}), is_unchanged

    supernet, is_unchanged = read_tensors(path, "a supernet", parse)
    if not is_unchanged:
        raise InputError(f"{path}: its weights were changed after writing; {REMEDY}")
    return supernet


def _plain(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in weights.items()}


def _content_digest(content: Mapping[str, Any]) -> str:
    """Return a SHA-256 of settings and weights: PyTorch does not notice changed bytes."""
    hasher = hashlib.sha256()
    tensors = ("weights", "alphas", "earlier")
    facts = {k: v for k, v in content.items() if k not in tensors}
    hasher.update(digest(facts).encode())
    parts = [*content.get("earlier", ()), content["weights"], {"alphas": content["alphas"]}]
    for name, tensor in (item for part in parts for item in part.items()):
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hasher.update(tensor.contiguous().numpy().tobytes())
    return hasher.hexdigest()
