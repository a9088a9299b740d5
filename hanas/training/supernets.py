"""Train a supernet, and keep it in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hanas.core import files, plugins
from hanas.core.compute import choose_device, generator, threads
from hanas.core.errors import InputError
from hanas.core.memory import enough_memory
from hanas.core.progress import Log, print_at_once
from hanas.core.settings import Settings
from hanas.data.batches import Batch, Split, load_split, random_batches, steps_per_epoch
from hanas.data.images import load_images
from hanas.spaces._space import Space
from hanas.spaces.networks.cell import CellNetwork
from hanas.spaces.networks.chain import ChainNetwork
from hanas.training import epochs
from hanas.training.learning_checks import better_than_largest_class, nothing_learned
from hanas.training.trainers._trainer import Forward, Trainer, snapshot_epochs


@dataclass(frozen=True, eq=False)
class Supernet:
    """A trained supernet: what its network is made of, and its state dict.

    ``resolution`` is the side of the images where they were average-pooled; ``alphas`` are the
    architecture weights, float32 (genes, most values), minus infinity for values that cannot
    be. ``earlier`` are state dicts before the end: weights keep moving where the learning rate
    does not fall, and the mean score of a few moments ranks better than any of them (G. Huang et
    al., "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017, where each ends a cycle).
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

    ``images`` is a file of :func:`hanas.data.images.save_images`. ``history`` has an epoch a row:
    those of :func:`hanas.training.epochs.run`, ``validation_loss``, ``validation_accuracy``
    (fraction), ``learning_rate``, columns of the trainer's own, ``entropy`` (mean over the edges or
    layers, in nats), ``alpha_{edge}_{operation}`` for operations that can be there. What is written
    to ``found`` is returned with ``device``.

    InputError for a setting that cannot be here, unsuitable images, a loss that is not finite, or
    a supernet that has learned nothing. Its checkpoint stays: with the same settings that is known
    again at once.
    """
    remedy = "set training.batch_size or training.resolution lower, or give the job more memory"
    with threads(trainer.threads), enough_memory("training the supernet", remedy):
        run = prepare(trainer, images)
        device = run.alphas.device
        belongs_to = files.digest(epochs.depends_on(trainer, images, device))
        rows, earlier = epochs.run(
            _loop(run), checkpoint=Path(checkpoint), belongs_to=belongs_to, log=log
        )
        genes, how = trainer.found(run)
        cross_entropy, error = run.judge_cell(genes)
    _require_learned(run, rows[-1]["validation_accuracy"], 1 - error)
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
    files.write_parquet(pd.DataFrame(rows).astype({"epoch": np.int64}), history)
    files.write_json(found, facts)
    files.discard(checkpoint)
    return {**facts, "device": device.type}


def _require_learned(run: Run, accuracy: float, accuracy_of_found: float) -> None:
    """Raise InputError unless the network as it was judged last, or what it found, is any good."""
    labels = run.candidate_images.labels.cpu().numpy()
    candidates = getattr(run.trainer, "candidates", 1)
    if not run.trainer.must_learn or better_than_largest_class(accuracy, labels):
        return
    if better_than_largest_class(accuracy_of_found, labels, best_of=candidates):
        return
    what = "it" if candidates == 1 else f"the best of {candidates} architectures"
    judged = f"after {run.trainer.training.epochs} epochs {what}"
    raise nothing_learned(max(accuracy, accuracy_of_found), labels, judged)


@dataclass(frozen=True, eq=False)
class Run:
    """One training of a supernet: weights learn from ``train``, alphas from ``validation``.

    ``alphas``, float32 (genes, most values), are logits of the values of each gene, minus infinity
    for values that cannot be; ``candidate_images`` are some of the
    validation images, to judge cells on.
    """

    trainer: Trainer
    space: Space
    network: CellNetwork | ChainNetwork
    alphas: nn.Parameter
    weight_stepper: epochs.WeightStepper
    alpha_optimizer: torch.optim.Optimizer | None
    train: Split
    validation: Split
    candidate_images: Split

    @property
    def cell_network(self) -> CellNetwork:
        """The supernet of a cell space, whose edges can be mixtures of operations."""
        assert isinstance(self.network, CellNetwork)
        return self.network

    @property
    def steps(self) -> int:
        """Steps an epoch."""
        training = self.trainer.training
        return steps_per_epoch(len(self.train), training.batch_size, training.batches_per_epoch)

    def random(self, *purpose: str | int) -> torch.Generator:
        """Return the generator for a purpose, such as ``"genes", epoch``."""
        return generator(self.trainer.seed, *purpose)

    def train_batches(self, epoch: int) -> Callable[[int], Batch]:
        """Return the function that makes the augmented training batch of a step."""
        return self._batches(self.train, self.trainer.training.flip, "train batches", epoch)

    def validation_batches(self, epoch: int) -> Callable[[int], Batch]:
        """Return the function that makes a validation batch, not augmented, for each step."""
        return self._batches(self.validation, 0, "validation batches", epoch)

    def _batches(
        self, split: Split, flip: float, purpose: str, epoch: int
    ) -> Callable[[int], Batch]:
        size, random = self.trainer.training.batch_size, self.random(purpose, epoch)
        return random_batches(split, steps=self.steps, batch_size=size, flip=flip, random=random)

    def step_alphas(self, gradient: Tensor) -> None:
        """Change the architecture weights by their gradient."""
        assert self.alpha_optimizer is not None
        self.alphas.grad = gradient
        self.alpha_optimizer.step()
        # Weight decay makes no number of minus infinity.
        impossible = ~possible_operations(self.space).to(gradient.device)
        self.alphas.data.masked_fill_(impossible, -torch.inf)

    def judge(self, forward: Forward) -> tuple[float, float]:
        """Return cross-entropy and error of ``forward`` on the candidate images."""
        images, precision = self.candidate_images, self.trainer.precision
        return epochs.evaluate(self.network, forward, images, precision=precision)

    def judge_cell(self, genes: np.ndarray) -> tuple[float, float]:
        """Return cross-entropy and error of one architecture with the shared weights."""
        return self.judge(lambda images: self.network(images, genes))


def possible_operations(space: Space) -> Tensor:
    """Return which values each gene can have, the first ones: bool (genes, most values)."""
    return torch.arange(max(space.choices)) < torch.tensor(space.choices)[:, None]


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
    train = load_split(data, "train", crop_padding=training.crop_padding, **as_trained)
    of_classes = epochs.class_weights_of(training, data, train)
    weights = [*network.parameters()]
    return Run(
        trainer=trainer,
        space=space,
        network=network,
        alphas=alphas,
        weight_stepper=epochs.WeightStepper(weights, training, trainer.precision, of_classes),
        alpha_optimizer=trainer.alpha_optimizer(alphas),
        train=train,
        validation=validation,
        candidate_images=validation.take(trainer.candidate_images),
    )


def _initial_alphas(trainer: Trainer, space: Space) -> Tensor:
    """Return the first architecture weights, float32 (genes, most values).

    The logarithm of the operation probabilities where these are given, equal ones for channels and
    numbers of layers; otherwise normal. Minus infinity for values that cannot be.
    """
    possible, given = possible_operations(space), trainer.operation_probabilities
    if given is None:
        normal = torch.randn(possible.shape, generator=generator(trainer.seed, "alphas"))
        alphas = trainer.alpha_scale * normal
    else:
        probabilities = torch.zeros(possible.shape, dtype=torch.float64)
        for gene, count in enumerate(space.choices):
            of_gene = [given.get(name, 1.0) for name in space.options(gene)]
            probabilities[gene, :count] = torch.tensor(of_gene, dtype=torch.float64)
        alphas = probabilities.log().float()
    return alphas.masked_fill(~possible, -torch.inf)


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
        for gene in range(len(run.space.choices)):
            for value, name in enumerate(run.space.options(gene)):
                row[f"alpha_{gene}_{name}"] = float(alphas[gene, value])
        return row

    alphas = nn.ParameterDict({"alphas": run.alphas})
    state = {"network": run.network, "alphas": alphas, "alpha_optimizer": run.alpha_optimizer}
    state = {name: part for name, part in state.items() if part is not None}
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
    files.write_tensors(content, path)


def load_supernet(path: str | Path) -> Supernet:
    """Read a file of :func:`save_supernet`; InputError if it is missing, damaged or another."""

    def parse(content: dict[str, Any]) -> tuple[Supernet, bool]:
        expected = content.pop("sha256")
        is_unchanged = _content_digest(content) == expected
        network = plugins.space(content["space"]).settings(content["network_settings"])
        return Supernet(**{**content, "network_settings": network}), is_unchanged

    supernet, is_unchanged = files.read_tensors(path, "a supernet", parse)
    if not is_unchanged:
        raise InputError(f"{path}: its weights were changed after writing; {files.REMEDY}")
    return supernet


def _plain(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in weights.items()}


def _content_digest(content: Mapping[str, Any]) -> str:
    """Return a SHA-256 of settings and weights: PyTorch does not notice changed bytes."""
    tensors = ("weights", "alphas", "earlier")
    facts = {name: value for name, value in content.items() if name not in tensors}
    hasher = hashlib.sha256(files.digest(facts).encode())
    parts = [*content["earlier"], content["weights"], {"alphas": content["alphas"]}]
    for name, tensor in (item for part in parts for item in part.items()):
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hasher.update(tensor.contiguous().numpy().tobytes())
    return hasher.hexdigest()
