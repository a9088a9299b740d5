"""Small supernets of layer-wise spaces, not trained but with all their weights different."""

from pathlib import Path

import torch

from hanas.core import plugins
from hanas.training.supernets import Supernet, save_supernet


def made_up_supernet(space: str, *, batch_norm: str = "batch", classes: int = 3, seed: int = 0):
    module = plugins.space(space)
    network = {"width": 0.1, "resolution": 8, "batch_norm": batch_norm}
    weights = module.supernet(classes, network, seed=seed).state_dict()
    random = torch.Generator().manual_seed(seed)
    for value in weights.values():
        if value.ndim == 1 and value.is_floating_point():  # affine parts and statistics too
            value.add_(torch.rand(value.shape, generator=random))
    alphas = torch.zeros(len(module.choices), len(module.operations))
    return Supernet(space, classes, network, None, weights, alphas)


def saved_supernet(folder: Path, space: str, **how) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_supernet(made_up_supernet(space, **how), folder / "weights.pt")
    return folder / "weights.pt"
