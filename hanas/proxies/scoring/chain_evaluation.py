"""Evaluate many architectures of a layer-wise supernet with their shared beginnings computed once.

Sorted by their genes, they are the leaves of a trie, which is walked depth first; genes of channels
and of numbers of layers come before those of the layers. The numbers are those of one architecture
at a time, to the last bit: what a layer makes of its input depends on nothing else, and the
statistics of its batch normalisation are never left in the network.

The running statistics of a supernet are those of a mixture of all architectures and fit none. So
an architecture is evaluated with the statistics of the batch at hand, or with those *recalibrated*
for it alone (Z. Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform
Sampling", ECCV 2020): averages over batches of training images that each went through with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from hanas.data.batches import Batch, Split, ordered_batches
from hanas.proxies._proxy import INT8_SCORES, SUPERNET_SCORES
from hanas.proxies.scoring.int8_simulation import Made, observing, rounding, sharing_weights
from hanas.spaces.networks.chain import ChainNetwork
from hanas.spaces.networks.elastic import stand_alone

STATISTICS = ("batch", "recalibrated")


@dataclass(frozen=True, eq=False)
class Pictures:
    """The images that architectures are evaluated on, at most ``batch_size`` a batch.

    Scores are of ``validation``, whose logits are centred over each batch. Batch normalisation is
    recalibrated with ``calibration``, training images, or uses batch statistics where that is None.
    With ``int8``, architectures are evaluated with simulated INT8 as well, in the ranges of
    calibration images.
    """

    validation: Split
    calibration: Split | None
    batch_size: int
    int8: bool = False

    def calibration_images(self) -> Iterator[Tensor]:
        """Yield batches of images (B, 3, H, W) to calibrate with."""
        if self.calibration is not None:
            for images, _ in ordered_batches(self.calibration, self.batch_size):
                yield images

    def validation_batches(self) -> Iterator[Batch]:
        """Yield batches of images and labels to evaluate on."""
        return ordered_batches(self.validation, self.batch_size)


class SharedEvaluation:
    """A supernet, which stays as it is, and images, to score many architectures."""

    def __init__(self, network: ChainNetwork, pictures: Pictures) -> None:
        self.pictures, self.columns = pictures, columns_of(int8=pictures.int8)
        statistics = "batch" if pictures.calibration is None else "recalibrated"
        device = next(network.parameters()).device
        self._evaluating = Parts(
            network, lambda part: with_statistics(stand_alone(part), statistics, device)
        )
        self._calibrating = Parts(self._evaluating, lambda part: sharing_weights(part).train())
        if pictures.int8:
            self._observing = Parts(self._evaluating, lambda part: observing(part, device))
            self._rounding = Parts(self._observing, rounding)

    @torch.inference_mode()
    def __call__(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return the scores of :func:`columns_of`, float64 (N,) each, of genes (N, L).

        In memory are a batch at each place that an architecture branches off, and the statistics of
        everything that is different in ``genes``: score large populations sorted and in parts.
        """
        return self._columns(genes, self._scores)

    @torch.inference_mode()
    def each_image(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return columns of :data:`SCORES` of each image, float64 (N, images), of genes (N, L).

        Their means are those of a call, but for rounding.
        """
        return self._columns(genes, self._of_images)

    def _columns(
        self,
        genes: np.ndarray,
        scores_of: Callable[[Parts, np.ndarray, _States], np.ndarray],
    ) -> dict[str, np.ndarray]:
        genes, rows = np.unique(genes, axis=0, return_inverse=True)  # in lexicographic order
        states = _States()
        self._calibrate(self._calibrating, genes, states)
        scores = [*scores_of(self._evaluating, genes, states)]
        if self.pictures.int8:
            states = _States(states)
            self._calibrate(self._observing, genes, states)
            scores += [*scores_of(self._rounding, genes, states)]
        return {name: values[rows] for name, values in zip(self.columns, scores, strict=True)}

    def _calibrate(self, network: Parts, genes: np.ndarray, states: _States) -> None:
        """Let the calibration images change the states."""
        for images in self.pictures.calibration_images():
            for _ in states.logits(network, genes, images):
                pass

    def _scores(self, network: Parts, genes: np.ndarray, states: _States) -> np.ndarray:
        """Return the scores, float64 (3, N)."""
        sums = torch.zeros(len(SUPERNET_SCORES), len(genes), dtype=torch.float64)
        for images, labels in self.pictures.validation_batches():
            for row, logits in enumerate(states.logits(network, genes, images)):
                logits = logits.double()
                wrong = (logits.argmax(dim=1) != labels).sum()
                both = (logits, logits - logits.mean(dim=0))
                losses = [F.cross_entropy(each, labels, reduction="sum") for each in both]
                sums[:, row] += torch.stack([wrong.double(), *losses]).cpu()
        return (sums / len(self.pictures.validation)).numpy()

    def _of_images(self, network: Parts, genes: np.ndarray, states: _States) -> np.ndarray:
        """Return the scores of each image, float64 (3, N, images)."""
        found = []
        for images, labels in self.pictures.validation_batches():
            size = len(SUPERNET_SCORES), len(genes), len(labels)
            of_batch = torch.zeros(size, dtype=torch.float64)
            for row, logits in enumerate(states.logits(network, genes, images)):
                logits = logits.double()
                wrong = (logits.argmax(dim=1) != labels).double()
                both = (logits, logits - logits.mean(dim=0))
                losses = [F.cross_entropy(each, labels, reduction="none") for each in both]
                of_batch[:, row] = torch.stack([wrong, *losses]).cpu()
            found.append(of_batch)
        return torch.cat(found, dim=2).numpy()


class MeanEvaluation:
    """Means of the scores over the snapshots of a supernet's training."""

    def __init__(self, networks: Sequence[ChainNetwork], pictures: Pictures) -> None:
        self.pictures, self.columns = pictures, columns_of(int8=pictures.int8)
        self._of_each = [SharedEvaluation(network, pictures) for network in networks]

    @property
    def snapshots(self) -> int:
        """How many there are."""
        return len(self._of_each)

    def __call__(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return the scores, float64 (N,) each, of genes (N, L)."""
        return self._mean([evaluation(genes) for evaluation in self._of_each])

    def each_image(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return the scores of each image, float64 (N, images) a column, of genes (N, L)."""
        return self._mean([evaluation.each_image(genes) for evaluation in self._of_each])

    def _mean(self, scores: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {name: np.mean([of[name] for of in scores], axis=0) for name in self.columns}


def columns_of(*, int8: bool) -> tuple[str, ...]:
    """Return the names of the scores, all lower is better."""
    return (*SUPERNET_SCORES, *INT8_SCORES) if int8 else SUPERNET_SCORES


class Parts:
    """The modules that the members of a supernet are made of, each changed when it is asked for."""

    def __init__(
        self, network: ChainNetwork | Parts, change: Callable[[nn.Module], nn.Module]
    ) -> None:
        self._network, self._change = network, change
        self._changed: dict[nn.Module, nn.Module] = {}

    @property
    def stem(self) -> nn.Module:
        """What comes before the layers."""
        return self._of(self._network.stem)

    @property
    def classifier(self) -> nn.Module:
        """What makes logits of the mean over the last map."""
        return self._of(self._network.classifier)

    def block(self, beginning: Sequence[int]) -> nn.Module:
        """Return what the last of an architecture's first genes makes of a map."""
        return self._of(self._network.block(beginning))

    def head_of(self, genes: Sequence[int]) -> nn.Module:
        """Return what comes after the last layer of an architecture."""
        return self._of(self._network.head_of(genes))

    def _of(self, part: nn.Module) -> nn.Module:
        if part not in self._changed:
            self._changed[part] = self._change(part)
        return self._changed[part]


def with_statistics(network: Made, statistics: str, device: torch.device | None = None) -> Made:
    """Return a copy, with the very weights, that normalises in one of :data:`STATISTICS`.

    ``recalibrated``: in evaluation with averages of what batches had in training since the last
    ``reset_running_stats``. The copy is in evaluation mode, on the device of its first weight if
    none is given.
    """
    made, recalibrated = sharing_weights(network), statistics == "recalibrated"
    for parent in list(made.modules()):
        for name, module in parent.named_children():
            if isinstance(module, nn.BatchNorm2d):
                # Without momentum: running statistics are plain averages over the batches.
                new = nn.BatchNorm2d(module.num_features, module.eps, None, False, recalibrated)
                new.affine, new.weight, new.bias = module.affine, module.weight, module.bias
                setattr(parent, name, new)
    return made.to(device or next(network.parameters()).device).eval()


def walk(
    genes: np.ndarray,
    x: Tensor,
    through_layer: Callable[[tuple[int, ...], Tensor], Tensor],
    layer: int = 0,
) -> Iterator[Tensor]:
    """Yield what the last layer of each architecture returns.

    ``genes``, int (N, L), are different and in lexicographic order, and agree up to ``layer``.
    ``x``, which layers must not change, goes into that layer of all of them. ``through_layer``
    returns what a layer, named by the genes up to and with it, makes of its input.
    """
    while layer < genes.shape[1] and (genes[:, layer] == genes[0, layer]).all():
        layer += 1
        x = through_layer(tuple(genes[0, :layer].tolist()), x)
    if layer == genes.shape[1]:
        yield x
        return
    for part in np.split(genes, np.flatnonzero(np.diff(genes[:, layer])) + 1):
        yield from walk(part, x, through_layer, layer)


class _States(dict[Hashable, dict[str, Tensor]]):
    """The buffers, by name, of every part of a network that a walk comes through.

    They begin as the network was made, but for those that were known ``before``.
    """

    def __init__(self, before: _States | None = None) -> None:
        super().__init__()
        self._before = before or {}

    def logits(self, network: Parts, genes: np.ndarray, images: Tensor) -> Iterator[Tensor]:
        """Yield the logits (B, classes) of each row of genes."""

        def through_layer(part: tuple[int, ...], x: Tensor) -> Tensor:
            return self._through(network.block(part), part, x)

        x = self._through(network.stem, "stem", images)
        for row, last in enumerate(walk(genes, x, through_layer)):
            head = network.head_of(genes[row].tolist())
            pooled = self._through(head, f"head {row}", last).mean(dim=(2, 3))
            yield self._through(network.classifier, f"classifier {row}", pooled)

    def _through(self, module: nn.Module, part: Hashable, x: Tensor) -> Tensor:
        """Return what a module makes of its input with, and to, the buffers of a part."""
        if part not in self:
            own = {name: value.clone() for name, value in module.named_buffers()}
            self[part] = {**own, **self._before.get(part, {})}
        state = self[part]
        return functional_call(module, state, x, tie_weights=False) if state else module(x)
