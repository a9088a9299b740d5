"""Train a supernet, and keep it in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hanas.core import plugins
from hanas.core.compute import choose_device, generator, threads
from hanas.core.errors import InputError
from hanas.core.files import (
    REMEDY,
    checksum,
    digest,
    discard,
    read_tensors,
    write_json,
    write_parquet,
    write_tensors,
)
from hanas.core.progress import Log, print_at_once
from hanas.core.settings import Settings
from hanas.data.batches import load_split
from hanas.data.images import load_images
from hanas.spaces._space import Space
from hanas.spaces.networks.cell import CellNetwork
from hanas.spaces.networks.chain import ChainNetwork
from hanas.training import epochs
from hanas.training.trainers._trainer import Run, Trainer, possible_operations, snapshot_epochs
from hanas.training.weight_steps import WeightStepper


@dataclass(frozen=True, eq=False)
class Supernet:
    """A trained supernet: what its network is made of, and its state dict.

    ``resolution`` is the side of the images it was trained on, where they were average-pooled;
    ``alphas`` are the architecture weights, float32 (genes, operations), minus infinity for
    operations that cannot be there. ``earlier`` are state dicts at moments before the end. At a
    learning rate that does not fall, weights keep moving, and so do the scores that architectures
    get from them; the mean of a few moments ranks better than any of them (G. Huang et al.,
    "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017, where each moment ends a cycle).
    """

    space: str
    classes: int
    network_settings: Settings
    resolution: int | None
    weights: Mapping[str, Tensor]
    alphas: Tensor
    earlier: Sequence[Mapping[str, Tensor]] = ()

    def network(
        self, device: torch.device | str = "cpu", weights: Mapping[str, Tensor] | None = None
    ) -> CellNetwork | ChainNetwork:
        """Return the network with its last weights, or others, in evaluation mode."""
        network = plugins.space(self.space).supernet(self.classes, self.network_settings)
        network.load_state_dict(weights or self.weights)
        return network.to(device=device, memory_format=torch.channels_last).eval()

    def snapshots(self, device: torch.device | str = "cpu") -> list[CellNetwork | ChainNetwork]:
        """Return the network with the weights of each snapshot, the last ones at the end."""
        return [self.network(device, weights) for weights in (*self.earlier, self.weights)]


def train_supernet(
    trainer: Trainer,
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
    in between and continued from ``checkpoint``, a side file that is deleted at the end.

    ``images`` is a file of :func:`hanas.data.images.save_images`, ``weights`` one that
    :func:`load_supernet` reads. ``history`` has an epoch a row: ``epoch``, ``train_loss``,
    ``train_accuracy``, ``validation_loss``, ``validation_accuracy`` (fractions),
    ``learning_rate``, columns of the trainer's own (``tau`` of gdas), ``entropy`` (mean over the
    edges or layers, in nats), ``alpha_{edge}_{operation}`` for operations that can be there,
    ``seconds``. ``found`` is JSON: ``arch``, ``how``, ``validation_error``,
    ``validation_cross_entropy``, ``validation_images``; it is returned with ``device``.

    Raises InputError for a setting that cannot be here, unsuitable images, or a loss that is not
    finite.
    """
    with threads(trainer.threads):
        run = prepare(trainer, images)
        device = run.alphas.device.type
        belongs_to = {
            "settings": trainer.params(),
            "revision": trainer.revision,
            "images": checksum(images),
            "computed by": [torch.__version__, device],
        }
        rows, earlier = epochs.run(
            _loop(run), checkpoint=Path(checkpoint), belongs_to=digest(belongs_to), log=log
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
    network, resolution = run.network, trainer.training.resolution
    made = (trainer.space, network.classifier.out_features, network.settings, resolution)
    trained = Supernet(*made, network.state_dict(), run.alphas.detach(), earlier)
    save_supernet(trained, weights)
    write_parquet(pd.DataFrame(rows).astype({"epoch": np.int64}), history)
    write_json(found, facts)
    discard(checkpoint)
    return {**facts, "device": device}


def prepare(trainer: Trainer, images: str | Path) -> Run:
    """Return a training that has not begun."""
    device = choose_device(trainer.device, trainer.precision)
    training, space, data = trainer.training, plugins.space(trainer.space), load_images(images)
    size = data.images.shape[1:3]
    fitted = space.for_images(trainer.network, size, training.resolution, images)
    network = space.supernet(len(data.classes), fitted, seed=trainer.seed)
    network = network.to(device=device, memory_format=torch.channels_last)
    alphas = nn.Parameter(_initial_alphas(trainer, space).to(device))
    as_trained = {"resolution": training.resolution, "device": device}
    validation = load_split(data, "validation", **as_trained)
    return Run(
        trainer=trainer,
        space=space,
        network=network,
        alphas=alphas,
        weight_stepper=WeightStepper(list(network.parameters()), training, trainer.precision),
        alpha_optimizer=trainer.alpha_optimizer(alphas),
        train=load_split(data, "train", crop_padding=training.crop_padding, **as_trained),
        validation=validation,
        candidate_images=validation.take(trainer.candidate_images),
    )


def _initial_alphas(trainer: Trainer, space: Space) -> Tensor:
    """Return the first architecture weights, float32 (genes, operations).

    The logarithm of the operation probabilities where these are given; otherwise normal with the
    trainer's standard deviation. Minus infinity for operations that cannot be there, so that the
    probabilities of the others add up to one.
    """
    possible, given = possible_operations(space), trainer.operation_probabilities
    if given is None:
        normal = torch.randn(possible.shape, generator=generator(trainer.seed, "alphas"))
        alphas = trainer.alpha_scale * normal
    else:
        probabilities = [given[name] for name in space.operations]
        alphas = torch.tensor(probabilities, dtype=torch.float64).log().float()
    return alphas.expand(possible.shape).masked_fill(~possible, -torch.inf)


def _loop(run: Run) -> epochs.Loop:
    """Return the training loop: what the steps and epochs of all trainers have in common."""
    trainer = run.trainer

    def begin_epoch(epoch: int):
        batches, step = run.train_batches(epoch), trainer.begin_epoch(run, epoch)
        return lambda number: step(number, batches(number))

    def end_epoch(epoch: int, rate: float) -> dict[str, float]:
        loss, error = run.judge(trainer.validation_forward(run, epoch))
        alphas = run.alphas.detach().cpu()
        row = {"validation_loss": loss, "validation_accuracy": 1 - error, "learning_rate": rate}
        row |= trainer.columns(epoch)
        row["entropy"] = float(torch.distributions.Categorical(logits=alphas).entropy().mean())
        for edge, count in enumerate(run.space.choices):
            for operation, name in enumerate(run.space.operations[:count]):
                row[f"alpha_{edge}_{name}"] = float(alphas[edge, operation])
        return row

    alphas = nn.ParameterDict({"alphas": run.alphas})
    state: dict[str, epochs.Stateful] = {"network": run.network, "alphas": alphas}
    if run.alpha_optimizer is not None:
        state["alpha_optimizer"] = run.alpha_optimizer
    *moments, _ = snapshot_epochs(trainer.training.epochs, trainer.snapshots)  # and the end
    return epochs.Loop(run.weight_stepper, run.steps, begin_epoch, end_epoch, state, moments)


def save_supernet(supernet: Supernet, path: str | Path) -> None:
    """Write a dictionary for ``torch.load(path, weights_only=True)``; equal ones, equal bytes."""
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
    """Read a file of :func:`save_supernet`; InputError if it is missing, damaged or another."""

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
    tensors = ("weights", "alphas", "earlier")
    facts = {name: value for name, value in content.items() if name not in tensors}
    hasher = hashlib.sha256(digest(facts).encode())
    parts = [*content.get("earlier", ()), content["weights"], {"alphas": content["alphas"]}]
    for name, tensor in (item for part in parts for item in part.items()):
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hasher.update(tensor.contiguous().numpy().tobytes())
    return hasher.hexdigest()
