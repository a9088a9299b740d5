"""What a study does, as calls for notebooks: load, search, judge and draw, on tables.

Each is what a job of the workflow calls, with the same settings and the same numbers. They are for
spaces that can be listed; supernets are trained, and others searched, by the workflow. Its tables
(``results/proxies/``, ``results/devices/``) can be given in the place of those loaded here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.proxies._proxy import SCORES, Inputs, Proxy, Work
from hanas.spaces._space import Space

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hanas.fronts.rows import Row

#: The name of a plugin, or the settings of an entry of a study.
Given = str | Mapping[str, Any]


def load_space(name: str = "nb201") -> Space:
    """Return a search space: genes, texts and costs of its architectures.

    InputError if there is none of this name.
    """
    if name not in plugins.names("spaces"):
        raise InputError(
            f"space is {name!r}; expected one of: {', '.join(plugins.names('spaces'))}"
        )
    return plugins.space(name)


def load_device(
    device: Given, dataset: str, space: Space | None = None, *, data: str | Path = "data"
) -> pd.DataFrame:
    """Return latency and energy of every architecture: what an entry of ``devices`` has.

    ``device`` is one of the shipped ones (``edgegpu``, ``raspi4``, ``edgetpu``, ``pixel3``,
    ``eyeriss``, ``fpga``) or the settings of a device with a table, such as ``{"kind": "table",
    "file": ...}``, whose files lie in the folder ``data``. Columns: ``arch``, ``latency_ms`` and
    ``energy_mj`` (those it has; NaN where infeasible), ``feasible``, ``source``, in index order.
    InputError if it is unknown, measured, or its file cannot be used.
    """
    entry = {"kind": "surrogate", "device": device} if isinstance(device, str) else device
    found = _entry("devices", entry)
    if not hasattr(found, "table"):
        raise InputError(f"devices of kind {found.kind} are measured, by the workflow")
    return found.table(space or load_space(), dataset, Path(data))


def load_accuracies(
    dataset: str,
    space: Space | None = None,
    *,
    benchmark: Given = "surrogate",
    data: str | Path = "data",
) -> pd.DataFrame:
    """Return true test accuracies of every architecture: what an entry of ``benchmarks`` has.

    Shipped are those of ``cifar10``, ``cifar100`` and ``imagenet16_120``; ``benchmark`` are the
    settings of others. Columns: ``arch``, ``accuracy_percent``, ``source``, in index order.
    InputError if it is unknown or its file cannot be used.
    """
    found = _entry("benchmarks", benchmark)
    return found.accuracies(space or load_space(), dataset, Path(data))


def load_proxy(proxy: Given = "live_params", space: Space | None = None) -> pd.DataFrame:
    """Return the scores of every architecture by a proxy that needs no images and no training.

    ``proxy`` is its kind (``live_params``, ``params``, ``flops``, ``residual`` ...) or its
    settings. Columns: ``arch``, the scores (lower is better), ``source``, in index order.
    InputError if it is unknown, or needs more than the space.
    """
    found: Proxy = _entry("proxies", proxy)
    if not hasattr(found, "counted"):
        names = plugins.names("proxies")
        able = [name for name in names if hasattr(plugins.plugin("proxies", name), "counted")]
        raise InputError(
            f"proxy.kind is {found.kind!r}, which needs images or other proxies: read the table "
            f"that the workflow makes (results/proxies/); expected one of: {', '.join(able)}"
        )
    space = space or load_space()
    with TemporaryDirectory() as folder:
        return found.score(space, Inputs(), Work(Path(folder), 1, _quiet))


def search(
    proxy: pd.DataFrame,
    device: pd.DataFrame,
    searcher: Given = "nsga2",
    *,
    seeds: int = 15,
    space: Space | None = None,
    objective: str | None = None,
    device_objectives: list[str] | None = None,
) -> pd.DataFrame:
    """Search for the front of a proxy and the metrics of a device, all minimised.

    ``proxy`` and ``device`` are tables of :func:`load_proxy` and :func:`load_device`; ``searcher``
    is its name or its settings; ``objective`` a column of the proxy (its first score where absent);
    ``device_objectives`` some metrics (all where absent). Returns an evaluation a row, as
    :func:`hanas.search.run.search_tables` has them. InputError if the tables do not fit.
    """
    from hanas.search.run import objectives_of, search_tables

    found = _entry("searchers", searcher, seeds=seeds)
    objectives, _ = objectives_of(proxy, device, objective or _score(proxy), device_objectives)
    return search_tables(space or load_space(), objectives, {found.searcher: found}, _quiet)


def found_front(
    history: pd.DataFrame, searcher: str | None = None, *, space: Space | None = None
) -> pd.DataFrame:
    """Return the front that a search found, seed 0: ``arch`` and what it minimised, best first.

    ``searcher`` is one of those in the history, the first where absent; ``space`` that of
    :func:`search`. What has no path from input to output is left out. InputError for another
    searcher.
    """
    from hanas.fronts import picks

    return picks.found_front(_of_search(history, searcher)[1], space or load_space())


def indicators(
    history: pd.DataFrame,
    proxy: pd.DataFrame,
    device: pd.DataFrame,
    accuracies: pd.DataFrame,
    *,
    accuracy_floor_percent: float = 0.0,
    objective: str | None = None,
    device_objectives: list[str] | None = None,
) -> pd.DataFrame:
    """Return how good the front of each search and seed is in truth.

    A row a seed and set of objectives, with the columns of
    :func:`hanas.fronts.evaluation.indicator_table`, ``normalised_hypervolume`` among them: 1 for
    the true front. ``history`` is of :func:`search`, from the same tables; what does not reach the
    accuracy floor does not count. InputError if the tables do not fit or nothing reaches the floor.
    """
    import pandas as pd

    from hanas.fronts.evaluation import indicator_table
    from hanas.fronts.runs import runs_of

    chosen = (objective or _score(proxy), device_objectives)
    tables = accuracies, device, proxy
    truths, searches = {}, []
    for name, of_search in history.groupby("search", sort=False):
        row = _row(str(name), accuracy_floor_percent, *chosen)
        searches += runs_of(row, *tables, of_search.reset_index(drop=True), truths)
    table = indicator_table(searches)
    return pd.DataFrame(table.drop(columns=["device", "task", "dataset", "proxy"]))


def plot_front(
    history: pd.DataFrame,
    proxy: pd.DataFrame,
    device: pd.DataFrame,
    accuracies: pd.DataFrame,
    *,
    searcher: str | None = None,
    space: Space | None = None,
    title: tuple[str, str] = ("device", "task"),
    accuracy_floor_percent: float = 0.0,
    objective: str | None = None,
    device_objectives: list[str] | None = None,
) -> Figure:
    """Draw the front that a search found, seed 0, beside the true one: the figure of the study.

    ``searcher`` is one of those in the history, the first where absent; ``space`` that of
    :func:`search`; ``title`` names the device and the task. InputError as :func:`indicators`.
    """
    from hanas.report.figures import fronts

    name, of_search = _of_search(history, searcher)
    chosen = (objective or _score(proxy), device_objectives)
    of_space = (space or load_space()).name
    row = _row(name, accuracy_floor_percent, *chosen, names=title, space=of_space)
    numbers = fronts.space_table(row, accuracies, device, proxy)
    shown, _ = fronts.front_tables(numbers, row, of_search)
    return fronts.draw_front(shown, row)


def _of_search(history: pd.DataFrame, searcher: str | None) -> tuple[str, pd.DataFrame]:
    """Return a search by its name, or the first, as :func:`hanas.fronts.rows.read_history` does."""
    name = searcher or str(history["search"].iloc[0])
    of_search = history[(history["search"] == name).to_numpy()].drop(columns="search")
    if of_search.empty:
        known = ", ".join(map(str, history["search"].unique()))
        raise InputError(f"the history has no search {name!r}; it has: {known}")
    return name, of_search.reset_index(drop=True)


def _entry(group: str, given: Given, **more: Any) -> Any:
    """Return an entry of a study from its settings, or from nothing but the name of its plugin."""
    key = plugins.GROUPS[group].key
    settings = {key: given, **more} if isinstance(given, str) else {**more, **given}
    name = settings.get(key)
    if name not in plugins.names(group):
        known = ", ".join(plugins.names(group))
        raise InputError(f"{group}: {key} is {name!r}; expected one of: {known}")
    return plugins.plugin(group, name).read(settings, f"{group}.{name}")


def _score(proxy: pd.DataFrame) -> str:
    """Return the first column of scores in the table of a proxy."""
    for name in SCORES:
        if name in proxy:
            return name
    raise InputError(f"the proxy's table has no scores; expected one of: {', '.join(SCORES)}")


def _row(
    search: str,
    accuracy_floor_percent: float,
    objective: str,
    device_objectives: list[str] | None,
    *,
    names: tuple[str, str] = ("device", "task"),
    space: str = "",
) -> Row:
    """Return what a study says of a search; its tables are here and in no file."""
    from hanas.fronts.rows import Row

    return Row(
        device=names[0],
        task=names[1],
        dataset=names[1],
        space=space,
        proxy="proxy",
        proxy_label="the proxy",
        proxy_objective=objective,
        trained_architectures=0,
        trained_on="",
        search=search,
        search_label=search,
        accuracy_floor_percent=accuracy_floor_percent,
        device_objectives=device_objectives,
        accuracies=None,
        metrics=None,
        proxy_table=None,
        history="",
    )


def _quiet(line: str) -> None:
    """Say nothing: what is told in logs is of no use in a notebook."""
