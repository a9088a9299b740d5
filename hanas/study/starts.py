"""Check that retrainings with ``start: inherited`` have a supernet that they can begin from."""

from __future__ import annotations

from collections.abc import Iterator

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.study.settings import Study


def problems(study: Study, name: str) -> Iterator[str]:
    """Yield why an entry of ``retrainings`` cannot begin from its proxy's supernet."""
    retraining = study.retrainings[name]
    if retraining.start == "scratch":
        return
    where = f"retrainings.{name}.start is 'inherited', but"
    if retraining.published is not None:
        yield f"{where} no supernet holds the weights of published networks; set it to scratch"
        return
    if retraining.proxy is None:
        yield (
            f"{where} no proxy says from which supernet; give device, proxy and search, or set it "
            "to scratch"
        )
        return
    names, proxy = study.supernets_of(retraining.proxy), retraining.proxy
    if len(names) != 1:
        made = f"ranks by several supernets, {', '.join(names)}" if names else "has no supernet"
        yield (
            f"{where} proxies.{proxy} {made}; expected a proxy that ranks by one, or set it to "
            "scratch"
        )
        return
    supernet, task = study.supernets[names[0]], study.tasks[retraining.task]
    if supernet.space != task.space:  # said of the task
        return
    if supernet.dataset != task.dataset:
        yield (
            f"{where} supernets.{names[0]} knows the classes of {supernet.dataset!r}, and "
            f"tasks.{retraining.task} is of {task.dataset!r}; set it to scratch, or train a "
            "supernet on that data set"
        )
        return
    dataset, space = study.datasets[task.dataset], plugins.space(task.space)
    own = getattr(dataset, "resolution", None) or getattr(dataset, "side", None)
    sides = [each.training.resolution or own for each in (retraining, supernet)]
    try:
        networks = [study.network_of(name), supernet.network]
        if None not in sides:
            networks = [
                space.for_images(network, (side, side), side, "")
                for network, side in zip(networks, sides, strict=True)
            ]
        found = [*space.start_problems(*networks)]
    except InputError:  # no such network, which is said elsewhere
        return
    for problem in found:
        yield f"{where} supernets.{names[0]} holds no such networks: {problem}"
