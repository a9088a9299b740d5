"""Evaluate architectures of a layer-wise supernet, one by one or many with shared beginnings.

Both ways give the same numbers to the last bit: what a layer makes of its input depends on nothing
but that input, and what is kept for a layer of an architecture (the statistics of its batch
normalisation) is passed along and never left in the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hanas.data.batches import Batch, Split, ordered_batches
from hanas.proxies.scoring.int8_simulation import observing, rounding
from hanas.proxies.scoring.normalisation import (
    State,
    apply,
    fresh_state,
    sharing_weights,
    with_statistics,
)
from hanas.proxies.scoring.shared_prefixes import nodes, walk
from hanas.spaces.networks.chain import ChainNetwork


@dataclass(frozen=True, eq=False)
class Pictures:
    """The images that architectures are evaluated on.

    Parameters
    ----------
    validation
        What errors and cross-entropies are of.
    calibration
        Training images that batch normalisation is recalibrated with; None: batch statistics.
    batch_size
        Images a batch, at most.
    int8
        Whether to evaluate with simulated INT8 as well, with ranges of the calibration images.
    """

    validation: Split
    calibration: Split | None
    batch_size: int
    int8: bool = False

    @property
    def statistics(self) -> str:
        """One of :data:`hanas.proxies.scoring.normalisation.STATISTICS`."""
        return "batch" if self.calibration is None else "recalibrated"

    def calibration_images(self) -> Iterator[Tensor]:
        """Yield batches of images (B, 3, H, W) to calibrate with."""
        if self.calibration is not None:
            for images, _ in ordered_batches(self.calibration, self.batch_size):
                yield images

    def validation_batches(self) -> Iterator[Batch]:
        """Yield batches of images and labels to evaluate on."""
        return ordered_batches(self.validation, self.batch_size)


@torch.inference_mode()
def score_one(network: ChainNetwork, genes: Sequence[int], pictures: Pictures) -> dict[str, float]:
    """Return the scores of one architecture, in the plainest way.

    Parameters
    ----------
    network
        The supernet, made by :func:`~hanas.proxies.scoring.normalisation.with_statistics`. Its
        running statistics, if any, are those of this architecture afterwards.
    genes
        An operation a layer.
    pictures
        The images.

    Returns
    -------
    dict
        ``error`` (fraction), ``cross_entropy`` (nats); ``int8_error`` and ``int8_cross_entropy``.
    """
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    for images in pictures.calibration_images():
        network(images, genes)
    network.eval()
    scores = _score(network, genes, pictures)
    if pictures.int8:
        observed = observing(network)
        for images in pictures.calibration_images():
            observed(images, genes)
        scores |= _int8(_score(rounding(observed), genes, pictures))
    return scores


def _score(network: ChainNetwork, genes: Sequence[int], pictures: Pictures) -> dict[str, float]:
    sums = _Sums(1)
    for images, labels in pictures.validation_batches():
        sums.add(0, network(images, genes), labels)
    return {name: float(values[0]) for name, values in sums.means().items()}


def _int8(scores: dict[str, Any]) -> dict[str, Any]:
    return {f"int8_{name}": value for name, value in scores.items()}


class _Sums:
    """Sums over batches of what is averaged, for each of some architectures."""

    def __init__(self, architectures: int) -> None:
        self._wrong = torch.zeros(architectures, dtype=torch.float64)
        self._entropy = torch.zeros(architectures, dtype=torch.float64)
        self._images = torch.zeros(architectures, dtype=torch.float64)

    def add(self, row: int, logits: Tensor, labels: Tensor) -> None:
        self._wrong[row] += (logits.argmax(dim=1) != labels).sum().cpu()
        self._entropy[row] += F.cross_entropy(logits.double(), labels, reduction="sum").cpu()
        self._images[row] += len(labels)

    def means(self) -> dict[str, np.ndarray]:
        return {
            "error": (self._wrong / self._images).numpy(),
            "cross_entropy": (self._entropy / self._images).numpy(),
        }


class SharedEvaluation:
    """A supernet and images, to score many architectures with the beginnings they share.

    Parameters
    ----------
    network
        The supernet; it stays as it is.
    pictures
        The images.
    """

    def __init__(self, network: ChainNetwork, pictures: Pictures) -> None:
        self._pictures = pictures
        self._evaluating = with_statistics(network, pictures.statistics)
        self._calibrating = sharing_weights(self._evaluating).train()
        if pictures.int8:
            self._observing = observing(self._evaluating)
            self._rounding = rounding(self._observing)

    @torch.inference_mode()
    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return columns of scores, float64 (N,) each, of genes (N, L); see :func:`score_one`.

        Memory is needed for one batch at each place that an architecture branches off, and for the
        statistics of everything that is different in ``genes``: sort large populations and score
        them in parts.
        """
        order = np.lexsort(genes.T[::-1])
        genes = genes[order]
        states = _States.fresh(self._evaluating, genes)
        self._calibrate(self._calibrating, genes, states)
        scores = self._scores(self._evaluating, genes, states)
        if self._pictures.int8:
            states = states.within(_States.fresh(self._observing, genes))
            self._calibrate(self._observing, genes, states)
            scores |= _int8(self._scores(self._rounding, genes, states))
        back = np.argsort(order)
        return {name: values[back] for name, values in scores.items()}

    def _calibrate(self, network: ChainNetwork, genes: np.ndarray, states: _States) -> None:
        """Let the calibration images change the states."""
        for images in self._pictures.calibration_images():
            for _ in _logits(network, genes, images, states):
                pass

    def _scores(
        self, network: ChainNetwork, genes: np.ndarray, states: _States
    ) -> dict[str, np.ndarray]:
        sums = _Sums(len(genes))
        for images, labels in self._pictures.validation_batches():
            for row, logits in enumerate(_logits(network, genes, images, states)):
                sums.add(row, logits, labels)
        return sums.means()


class _Ends(nn.Module):
    """What is before and after the layers of a network, as a module."""

    def __init__(self, network: ChainNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, which: str) -> Tensor:
        return getattr(self.network, which)(x)

    def fresh_state(self) -> State:
        """Return a copy of the buffers that are not in layers."""
        return {
            f"network.{name}": buffer.clone()
            for name, buffer in self.network.named_buffers()
            if not name.startswith("layers.")
        }


@dataclass(frozen=True)
class _States:
    """The buffers of every part of a network that a walk comes through.

    Parameters
    ----------
    begin
        Of what is before the first layer.
    nodes
        Of each layer that a walk computes.
    ends
        Of what is after the last layer, for each architecture.
    """

    begin: State
    nodes: list[State]
    ends: list[State]

    @classmethod
    def fresh(cls, network: ChainNetwork, genes: np.ndarray) -> _States:
        """Return the buffers that the network was made with."""
        ends = _Ends(network)
        return cls(
            ends.fresh_state(),
            [fresh_state(network.layer(*node)) for node in nodes(genes)],
            [ends.fresh_state() for _ in genes],
        )

    def within(self, others: _States) -> _States:
        """Return other states, of the same walk, in which these take the place of their like."""
        return _States(
            {**others.begin, **self.begin},
            [{**other, **own} for other, own in zip(others.nodes, self.nodes, strict=True)],
            [{**other, **own} for other, own in zip(others.ends, self.ends, strict=True)],
        )


def _logits(
    network: ChainNetwork, genes: np.ndarray, images: Tensor, states: _States
) -> Iterator[Tensor]:
    """Yield the logits (B, classes) of each row of genes."""
    ends = _Ends(network)

    def through_layer(node: int, layer: int, operation: int, x: Tensor) -> Tensor:
        return apply(network.layer(layer, operation), states.nodes[node], x)

    x = apply(ends, states.begin, images, "begin")
    for row, last in enumerate(walk(genes, x, through_layer)):
        yield apply(ends, states.ends[row], last, "end")
