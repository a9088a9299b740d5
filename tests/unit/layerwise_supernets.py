"""Small supernets of layer-wise spaces, not trained but with all their weights different."""

from pathlib import Path

import torch
import torch.nn.functional as F

from hanas.core import plugins
from hanas.proxies.scoring.chain_evaluation import Pictures
from hanas.proxies.scoring.int8_simulation import observing, rounding
from hanas.training.supernets import Supernet, save_supernet


def made_up_supernet(
    space: str,
    *,
    batch_norm: str = "batch",
    classes: int = 3,
    seed: int = 0,
    snapshots: int = 1,
    network: dict | None = None,
):
    module = plugins.space(space)
    network = network or {"width": 0.1, "resolution": 8, "batch_norm": batch_norm}
    weights = module.supernet(classes, network, seed=seed).state_dict()
    random = torch.Generator().manual_seed(seed)
    for value in weights.values():
        if value.ndim == 1 and value.is_floating_point():  # affine parts and statistics too
            value.add_(torch.rand(value.shape, generator=random))
    alphas = torch.zeros(len(module.choices), len(module.operations))
    earlier = [
        {name: value * 1.1 if value.is_floating_point() else value for name, value in each.items()}
        for each in [weights] * (snapshots - 1)
    ]
    return Supernet(space, classes, network, None, weights, alphas, earlier)


def saved_supernet(folder: Path, space: str, **how) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_supernet(made_up_supernet(space, **how), folder / "weights.pt")
    return folder / "weights.pt"


@torch.inference_mode()
def score_alone(network, genes, pictures: Pictures) -> dict[str, float]:
    """Return the scores of one architecture, in the plainest way.

    The network is one of with_statistics(); its statistics are this architecture's afterwards.
    """
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
    for images in pictures.calibration_images():
        network(images, genes)
    network.eval()
    scores = _judged(network, genes, pictures)
    if pictures.int8:
        observed = observing(network)
        for images in pictures.calibration_images():
            observed(images, genes)
        found = _judged(rounding(observed), genes, pictures)
        scores |= {f"int8_{name}": value for name, value in found.items()}
    return scores


def _judged(network, genes, pictures: Pictures) -> dict[str, float]:
    wrong, loss, centred_loss, count = 0, 0.0, 0.0, 0
    for images, labels in pictures.validation_batches():
        logits = network(images, genes)
        wrong += int((logits.argmax(dim=1) != labels).sum())
        logits = logits.double()
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        centred = logits - logits.mean(dim=0)
        centred_loss += F.cross_entropy(centred, labels, reduction="sum").item()
        count += len(labels)
    whole = {"cross_entropy": loss / count, "centred_cross_entropy": centred_loss / count}
    return {"error": wrong / count, **whole}
