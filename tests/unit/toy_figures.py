"""Figures of six architectures, and what is drawn in them."""

import numpy as np
import pandas as pd
from judged_study import ARCHS, ERROR, LATENCY_MS, history
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hanas.report.figures import convergence, fronts, generations, peeling, points, proxy_and_true

ENERGY_MJ = [9.0, 8.0, 3.0, 4.0, 6.0, 1.0]


#: The search believes in another order than the true one, and for it 0, 2, 3 and 5 are the front.
PROXY_ERROR = [0.5, 0.7, 0.6, 0.8, 0.75, 0.9]


SAID = points.Words("mine", "t", "GDAS", 50)


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


def space_of(objective="error", device_objectives="all", **how) -> pd.DataFrame:
    return points.space_table(
        **tables(objective=objective, **how),
        proxy_objective=objective,
        device_objectives=device_objectives,
    )


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
    return " ".join(text.get_text() for text in made.findobj(lambda a: hasattr(a, "get_text")))


def fronts_table(**how) -> pd.DataFrame:
    others = [
        ("WSEA", search(score=[6.0, 5.0, 4.0, 3.0, 2.0, 1.0], **how)),
        ("RANDOM", search(**how)),
    ]
    space = space_of(**how)
    return fronts.table(space, ("NSGA", search(**how)), others, accuracy_floor_percent=50)


def proxy_and_true_table(**how) -> pd.DataFrame:
    front = ("NSGA", search(**how))
    return proxy_and_true.table(space_of(**how), front, accuracy_floor_percent=50)


#: 1 and 4 come first, and 4 is worse than 1 but in energy; 2 is better than both; the rest stays.
ORDER = [1, 4, 2, 0, 3, 5]


GENERATION = [0, 0, 1, 2, 2, 2]


def generations_table(*, generation=GENERATION, **how) -> pd.DataFrame:
    found = search([ORDER], **how).assign(generation=generation)
    return generations.table(space_of(**how), ("NSGA", found))


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
    curves = judged(**changes)
    if not energy:
        curves = curves[curves["objectives"] == "error+latency_ms"]
    keys = ["task", "objectives", "proxy", "search"]
    budget = curves[keys].drop_duplicates().assign(ceiling=0.8)
    budget.loc[(budget["proxy"] == "q").to_numpy(), "ceiling"] = 0.9
    named = [("nsga2", "NSGA"), ("random", "RANDOM")]
    return convergence.table(curves, budget, named, task="t", proxy="p")


def peeling_table(proxies=(("p", "GDAS"), ("q", "params"))) -> pd.DataFrame:
    curves = pd.DataFrame(
        [
            {
                **{"device": "mine", "task": "t", "proxy": proxy, "search": "nsga2", "seeds": 2},
                **{"objectives": objectives, "trained_architectures": count, "median": share},
                **{"q25": share - 0.05, "q75": share + 0.1, "stopped_at": 20.0},
                **{"stopped_with": 0.5, "accuracy_floor_percent": 50.0},
                **{"accuracy_source": "true ones", "metrics_source": "a meter"},
                **{"proxy_source": f"a proxy {proxy}"},
            }
            for proxy in ("p", "q")
            for objectives in ("error+latency_ms", "error+latency_ms+energy_mj")
            for count, share in ((10, 0.3), (20, 0.5 if proxy == "p" else 0.6))
        ]
    )
    return peeling.table(curves, list(proxies), task="t", search="nsga2")
