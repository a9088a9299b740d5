"""Figures of six architectures, and what is drawn in them."""

import numpy as np
import pandas as pd
from judged_study import ARCHS, ERROR, LATENCY_MS, history
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.fronts.rows import Row
from hanas.report.figures import curves, fronts, generations

ENERGY_MJ = [9.0, 8.0, 3.0, 4.0, 6.0, 1.0]


#: The search believes in another order than the true one, and for it 0, 2, 3 and 5 are the front.
PROXY_ERROR = [0.5, 0.7, 0.6, 0.8, 0.75, 0.9]


def row(search="nsga2", proxy="p", **changes) -> Row:
    """Return a search that is shown."""
    labels = {"nsga2": "NSGA", "wsea": "WSEA", "random": "RANDOM", "p": "GDAS", "q": "params"}
    known = {
        **{"device": "mine", "task": "t", "dataset": "toy", "space": "nb201"},
        **{"proxy": proxy, "proxy_label": labels[proxy], "proxy_objective": "error"},
        **{"trained_architectures": 0, "trained_on": "", "search": search},
        **{"search_label": labels[search], "accuracy_floor_percent": 50},
        **{"device_objectives": None, "accuracies": "accuracies.parquet"},
        **{"metrics": "metrics.parquet", "proxy_table": f"{proxy}.parquet"},
        **{"history": f"{proxy}_history.parquet"},
    }
    return Row(**{**known, **changes})


ROW = row()


def tables(*, energy=True, infeasible=(), objective="error") -> dict[str, pd.DataFrame]:
    metrics = pd.DataFrame({"arch": ARCHS, "feasible": True, "latency_ms": LATENCY_MS})
    if energy:
        metrics["energy_mj"] = ENERGY_MJ
    metrics.loc[list(infeasible), "feasible"] = False
    metrics.loc[list(infeasible), metrics.columns[2:]] = np.nan
    accuracies = pd.DataFrame({"arch": ARCHS, "accuracy_percent": 100 - 100 * np.array(ERROR)})
    return {
        "accuracies": accuracies.assign(source="surrogate: true ones"),
        "metrics": metrics.assign(source="a meter"),
        "proxy": pd.DataFrame({"arch": ARCHS, objective: PROXY_ERROR, "source": "a proxy"}),
    }


def space_of(objective="error", device_objectives=None, **how) -> pd.DataFrame:
    shown = row(proxy_objective=objective, device_objectives=device_objectives)
    return fronts.space_table(**tables(objective=objective, **how), row=shown)


def search(seeds=((0, 1, 2, 3, 4, 5),), *, energy=True, score=np.nan, **how) -> pd.DataFrame:
    made = tables(energy=energy, **how)
    columns = ["latency_ms", "energy_mj"] if energy else ["latency_ms"]
    metrics = made["metrics"][columns]
    objectives = pd.concat([made["proxy"][["error"]], metrics], axis=1)
    objectives[metrics.isna().any(axis=1)] = np.nan
    return history([list(rows) for rows in seeds], objectives).assign(score=score)


def drawn(axes: Axes, name: str) -> np.ndarray:
    """Return the points (N, 2) of a panel's line or marks of this name."""
    (line,) = [line for line in axes.get_lines() if line.get_label() == name]
    return np.asarray(line.get_xydata())


def all_texts(made: Figure) -> str:
    found: list = made.findobj(lambda artist: hasattr(artist, "get_text"))
    return " ".join(text.get_text() for text in found)


def front_tables(**how) -> tuple[pd.DataFrame, pd.DataFrame]:
    others = [
        ("WSEA", search(score=[6.0, 5.0, 4.0, 3.0, 2.0, 1.0], **how)),
        ("RANDOM", search(**how)),
    ]
    return fronts.front_tables(space_of(**how), ROW, search(**how), others)


def fronts_table(**how) -> pd.DataFrame:
    return front_tables(**how)[0]


def proxy_and_true_table(**how) -> pd.DataFrame:
    return front_tables(**how)[1]


#: 1 and 4 come first, and 4 is worse than 1 but in energy; 2 is better than both; the rest stays.
ORDER = [1, 4, 2, 0, 3, 5]


GENERATION = [0, 0, 1, 2, 2, 2]


def generations_table(*, generation=GENERATION, **how) -> pd.DataFrame:
    found = search([ORDER], **how).assign(generation=generation)
    return generations.table(space_of(**how), ROW, found)


def judged(**changes) -> pd.DataFrame:
    """Return rows of a convergence table: of nsga2 and random, in one or two sets of objectives."""
    lines = [
        {
            **{"device": "mine", "task": "t", "proxy": proxy, "search": name},
            **{"objectives": objectives, "evaluations": evaluations, "seeds": 3},
            **{"median": share, "q25": share - 0.05, "q75": share + 0.1},
            **{"accuracy_floor_percent": 50.0, "accuracy_source": "surrogate: true ones"},
            **{"metrics_source": "a meter", "proxy_source": "a proxy"},
        }
        for proxy in ("p", "q")
        for name in ("random", "nsga2")
        for objectives in ("error+latency_ms", "error+latency_ms+energy_mj")
        for evaluations, share in ((10, 0.3), (20, 0.5), (25, 0.6 if name == "nsga2" else 0.55))
    ]
    return pd.DataFrame(lines).assign(**changes)


def convergence_table(*, energy=True, **changes) -> pd.DataFrame:
    judged_curves = judged(**changes)
    if not energy:
        judged_curves = judged_curves[judged_curves["objectives"] == "error+latency_ms"]
    keys = ["task", "objectives", "proxy", "search"]
    budget = judged_curves[keys].drop_duplicates().assign(ceiling=0.8)
    budget.loc[(budget["proxy"] == "q").to_numpy(), "ceiling"] = 0.9
    return curves.convergence_table(judged_curves, budget, [row("nsga2"), row("random")])


#: What two seeds have after each layer of training: architectures and normalised hypervolume.
LAYERS = {"p": [(10, 0.3), (20, 0.5)], "q": [(10, 0.3), (20, 0.6)]}


def layers() -> pd.DataFrame:
    """Return a table of layers: two seeds alike, and the second layer does not pay."""
    return pd.DataFrame(
        [
            {
                **{"device": "mine", "task": task, "dataset": "toy", "proxy": proxy},
                **{"search": name, "objectives": objectives, "seed": seed, "pays": number == 0},
                **{"trained_architectures": count, "normalised_hypervolume": share},
                **{"accuracy_floor_percent": 50.0, "accuracy_source": "true ones"},
                **{"metrics_source": "a meter", "proxy_source": f"a proxy {proxy}"},
            }
            for task, name in (("t", "nsga2"), ("t", "random"), ("other", "nsga2"))
            for proxy in ("p", "q")
            for objectives in ("error+latency_ms", "error+latency_ms+energy_mj")
            for seed in (0, 1)
            for number, (count, share) in enumerate(LAYERS[proxy])
        ]
    )


def peeling_table(*rows: Row) -> pd.DataFrame:
    return curves.peeling_table(layers(), rows or [row(proxy="p"), row(proxy="q")])
