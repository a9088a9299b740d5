"""What a second stage gained: the fronts of a smaller space beside those of the whole one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from hanas.core import escape
from hanas.core.errors import InputError
from hanas.core.files import read_json
from hanas.core.pareto import non_dominated
from hanas.fronts import trust, trust_of_searches
from hanas.fronts.lens.reduction import Volumes
from hanas.fronts.picks import objectives_in
from hanas.fronts.rows import Row, read_history
from hanas.fronts.trust import Trust

STAGES = ("first", "second")


def table(rows: Mapping[str, Row]) -> pd.DataFrame:
    """Return a row a stage and seed: how good its front is by the scores that both have.

    ``rows`` are a search of each of :data:`STAGES`. ``hypervolume`` is that of the seed's front
    over that of the best of all fronts of both stages; ``on_joint_front`` the points of it that
    are on that front. InputError if the stages minimise different things.
    """
    histories = {stage: read_history(row.history, row.search) for stage, row in rows.items()}
    objectives = {stage: objectives_in(history) for stage, history in histories.items()}
    if objectives["first"] != objectives["second"]:
        said = " and ".join("+".join(names) for names in objectives.values())
        raise InputError(f"the stages minimise {said}; expected the same of both")
    parts = []
    for stage, history in histories.items():
        for seed, of_seed in history[history["feasible"].astype(bool)].groupby("seed"):
            points = of_seed[objectives[stage]].to_numpy(dtype=np.float64)
            part = {"stage": stage, "seed": seed, "evaluations": len(of_seed)}
            parts.append((part, points[non_dominated(points)]))
    if {part["stage"] for part, _ in parts} != set(STAGES):
        raise InputError("a stage found no architecture that the device can run")
    points = np.concatenate([front for _, front in parts])
    of = np.repeat(np.arange(len(parts)), [len(front) for _, front in parts])
    best, volumes = non_dominated(points), Volumes(points)
    lines = [
        {
            **part,
            "front_points": len(front),
            "on_joint_front": int(best[of == number].sum()),
            "hypervolume": volumes.share(of == number),
        }
        for number, (part, front) in enumerate(parts)
    ]
    return pd.DataFrame(lines)


def known(rows: Mapping[str, Row], *, alike: bool) -> Trust:
    """Return how far the comparison is to be trusted; ``alike`` if both proxies are the same."""
    trusts = trust_of_searches.of_rows(rows.values())
    found = trust.all_of(trusts.values())
    if alike:
        return found
    doubt = (
        f"the scores of {rows['first'].proxy} and {rows['second'].proxy} are of different "
        "settings, trainings or supernets, so that a lower one need not be a better network: train "
        "picks of both"
    )
    return found + Trust(doubts=(doubt,))


def page(
    rows: Mapping[str, Row], found: pd.DataFrame, counts: Mapping[str, int], how_known: Trust
) -> str:
    """Return what was gained in words, Markdown; ``counts`` are architectures of each space."""
    first, second = (rows[stage] for stage in STAGES)
    of_stage = {stage: found[found["stage"] == stage] for stage in STAGES}
    volumes = {stage: seeds["hypervolume"] for stage, seeds in of_stage.items()}
    gain = volumes["second"].mean() - volumes["first"].mean()
    errors = [volume.std(ddof=1) / np.sqrt(len(volume)) for volume in volumes.values()]
    error = float(np.sqrt(np.square(errors).sum()))
    if np.isnan(error):
        clear = "of one seed, so that chance is not known"
    else:
        verdict = "more than chance" if abs(gain) > 2 * error else "no more than chance"
        clear = f"± {error:.2%} of standard error over seeds: {verdict}"
    word = "gained" if gain > 0 else "lost"
    lines = [f"# What the second stage gained: {second.space} on {second.device}", ""]
    lines += [
        f"- Searching {second.space} ({counts['second']:,} architectures left of "
        f"{counts['first']:,} of {first.space}) {word} **{abs(gain):.2%}** of the hypervolume of "
        f"all fronts together, {clear}.",
        f"- Of the joint front {of_stage['second']['on_joint_front'].sum()} points are of the "
        f"second stage, {of_stage['first']['on_joint_front'].sum()} of the first.",
        "",
        "| stage | space | task | front by | seeds | evaluations a seed | hypervolume |",
        "|---|---|---|---|---|---|---|",
    ]
    for stage, row in rows.items():
        seeds = of_stage[stage]
        spread = f" ± {volumes[stage].std(ddof=1):.4f}" if len(seeds) > 1 else ""
        method = escape.markdown(f"{row.proxy_label}+{row.search_label}")
        lines.append(
            f"| {stage} | {row.space} | {row.task} | {method} | {len(seeds)} | "
            f"{seeds['evaluations'].mean():.0f} | {volumes[stage].mean():.4f}{spread} |"
        )
    return "\n".join([*lines, "", *trust.markdown(how_known), *_sources(rows)])


def _sources(rows: Mapping[str, Row]) -> list[str]:
    said = ["Where the numbers come from:", ""]
    for stage, row in rows.items():
        for name, source in read_json(row.facts)["sources"].items():
            said.append(f"- {stage} stage, {name}: {escape.markdown(str(source))}")
    return [*said, ""]
