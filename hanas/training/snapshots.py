"""Weights of a network at several moments of its training.

At a learning rate that does not fall, weights keep moving, and so do the scores that architectures
get from them; the mean of a few moments ranks better than any of them (G. Huang et al., "Snapshot
Ensembles: Train 1, Get M for Free", ICLR 2017, where each moment is the end of a cycle).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class Snapshots:
    """Copies of a network's weights, taken while it is trained.

    Parameters
    ----------
    network
        The network.
    epochs
        After which epochs, from 1, :meth:`take` takes one; not the last, whose weights the
        network has.
    """

    def __init__(self, network: nn.Module, epochs: tuple[int, ...]) -> None:
        self.network, self.epochs = network, epochs
        self.taken: dict[int, dict[str, Tensor]] = {}

    def take(self, epoch: int) -> None:
        """Keep the weights if this is the end of such an epoch."""
        if epoch in self.epochs:
            state = self.network.state_dict()
            self.taken[epoch] = {
                name: value.detach().cpu().clone() for name, value in state.items()
            }

    def state_dict(self) -> dict[str, Any]:
        """Return what was taken, for a checkpoint."""
        return {"taken": self.taken}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` returned."""
        self.taken = dict(state_dict["taken"])
