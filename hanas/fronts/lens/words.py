"""The lens in words: what each part of a space is worth on a device, plainly, then in tables."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from hanas.core import escape
from hanas.fronts import trust, trust_of_searches
from hanas.fronts.lens.choices import Choice, comparisons, mean_of, units
from hanas.fronts.lens.effects import WIDTH
from hanas.fronts.lens.lens import LEAST_EXPLAINED, Lens
from hanas.fronts.lens.population import TRUE
from hanas.fronts.lens.proposal import count_of
from hanas.fronts.lens.reduction import LEAST_LEFT
from hanas.fronts.lens.standing import THIRDS
from hanas.fronts.trust import Trust
from hanas.fronts.trust_of_accuracy import LEAST_PROXY_SPEARMAN

#: Unit of a column, and what its numbers are multiplied by.
_UNITS = {"latency_ms": ("ms", 1), "energy_mj": ("mJ", 1), "error": ("points of error", 100)}
_UNITS |= {TRUE: ("points of true error", 100)}
#: Below, effects say little: choices do more together than each by itself.
LEAST_ADDITIVE = 0.5
#: Fewer points on all fronts do not say that a choice is never on one.
LEAST_POINTS = 30


def page(lens: Lens) -> str:
    """Return the page ``lens.md``, Markdown."""
    row = lens.rows[0]
    found = known(lens)
    head, *rest = trust.markdown(found) if found.doubts else ["", *trust.markdown(found)]
    doubts, well_known = _split([head, *rest])
    lines = [f"# Space {row.space} on {row.device} (task {row.task})", "", *doubts]
    lines += ["## In plain words", "", *(f"- {said}" for said in plainly(lens)), ""]
    lines += [*well_known, *_smaller(lens), *_tables(lens)]
    return "\n".join(lines)


def _split(lines: list[str]) -> tuple[list[str], list[str]]:
    at = lines.index("How well things are known:")
    return [line for line in lines[:at] if line] + [""] * (at > 1), lines[at:]


# ---- plain words ---------------------------------------------------------------------------


def plainly(lens: Lens) -> Iterator[str]:
    """Yield sentences, what matters most first."""
    yield from _of_parts(lens)
    yield from _what_matters(lens)
    yield from _unimportant(lens)
    yield from _bought(lens)
    yield _reduced(lens)
    yield _additive(lens)


def _of_parts(lens: Lens) -> Iterator[str]:
    """Say of each part which choices are on no front or can go, what they cost, what that loses."""
    gone = {unit for unit, _ in lens.reduction.left_out}
    on_fronts = lens.standing["on_found_fronts"].to_numpy()
    of_part: dict[str, list[tuple[str, list[Choice]]]] = {}
    for (part, name), group in units(lens.choices).items():
        if (part, name) in gone or all(lens.never[one.effect] for one in group):
            of_part.setdefault(part, []).append((name, group))
    for part, found in of_part.items():
        said = []
        for name, group in found:
            each = "" if len(group) == 1 else " each"
            costs = [_amount(lens, n, mean_of(group, len(lens.choices))) for n in _costs(lens)]
            share = float(np.nanmean(on_fronts[[one.effect for one in group]]))
            where = "on no front" if all(lens.never[one.effect] for one in group) else ""
            where = where or f"in {share:.0%} of its places on the fronts"
            brings = "brings" if costs[0].startswith("-") else "costs"
            said.append(f"`{name}` {brings} {', '.join(costs)}{each} and is {where}")
        stays = lens.archive.share([(part, name) for name, _ in found])
        loss = "less than 0.01%" if 1 - stays < 1e-4 else f"{1 - stays:.2%}"
        loses = "nothing" if stays == 1 else f"{loss} of the front{_bound(lens)}"
        them = "it" if len(found) == 1 else "them"
        yield f"**{part}**: {'; '.join(said)}. Leaving {them} out loses {loses}."
    if not of_part:
        yield "Every choice is on some front, and none can be left out."


def _what_matters(lens: Lens) -> Iterator[str]:
    """Say which genes explain most of each column."""
    for name, effects in lens.effects.items():
        best = np.argsort(-effects.explained)[:3]
        places = [
            f"{lens.population.space.place(int(gene))} ({effects.explained[gene]:.0%})"
            for gene in best
            if effects.explained[gene] >= LEAST_EXPLAINED
        ]
        if places:
            said = "; ".join(places)
            yield f"What decides most about the {_name(lens, name)} (of its variance): {said}."


def _unimportant(lens: Lens) -> Iterator[str]:
    """Name the genes whose choice matters neither for a metric nor for the error."""
    several = np.array(lens.population.space.choices) > 1
    nowhere = np.logical_and.reduce([several, *map(lens.unimportant, lens.effects)])
    places = [lens.population.space.place(int(gene)) for gene in np.flatnonzero(nowhere)]
    if places:
        yield (
            f"The choice does not matter, neither for the device nor for the error, at: "
            f"{'; '.join(places)}."
        )
        return
    yield "The choice of every gene matters, for the device or for the error."


def _bought(lens: Lens) -> Iterator[str]:
    known = np.isfinite(next(iter(lens.effects.values())).values)
    for label, weights in comparisons(lens.choices, known):
        costs = ", ".join(_amount(lens, name, weights) for name in lens.effects)
        yield f"{label[0].upper()}{label[1:]}: {costs}, on average over the genes that have both."


def _reduced(lens: Lens) -> str:
    left_out = lens.reduction.left_out
    if not left_out:
        return (
            f"No choice can be left out: that would lose more than {1 - lens.reduction.keep:.1%} "
            f"of the front's hypervolume, or leave fewer than {LEAST_LEFT} combinations."
        )
    before, after = lens.population.space.count, count_of(lens)
    return (
        f"Leaving out {len(left_out)} of {len(lens.archive.units)} choices loses "
        f"{1 - lens.reduction.share:.2%} of the front's hypervolume{_bound(lens)} and makes of "
        f"{_count(before)} architectures {_count(after)} (`lens.yaml`)."
    )


def _bound(lens: Lens) -> str:
    return "" if lens.population.listed else " at most (searching the rest finds others)"


def _additive(lens: Lens) -> str:
    shares = "; ".join(
        f"{_name(lens, name)} {effects.additive:.1%}" for name, effects in lens.effects.items()
    )
    return (
        f"All effects together, added up, explain of the variance: {shares}. The rest is what "
        "choices do together (interactions), which the lens does not model."
    )


def _count(number: int) -> str:
    return f"{number:,}" if number < 1e6 else f"{number:.1e}"


def _name(lens: Lens, name: str) -> str:
    known = {"latency_ms": "latency", "energy_mj": "energy", TRUE: "true error"}
    words = name.removeprefix("proxy_").replace("_", " ")
    return known.get(name, f"{words} by {escape.markdown(lens.rows[0].proxy_label)}")


def _costs(lens: Lens) -> list[str]:
    """Return the columns that plain words tell: metrics, and the true error where it is known."""
    errors = [TRUE] if TRUE in lens.effects else [lens.population.score]
    return [*lens.population.metrics, *errors]


def _amount(lens: Lens, name: str, weights: np.ndarray) -> str:
    """Return a weighted sum of effects in words, with half of its interval of 95 %."""
    unit, factor = _UNITS.get(name, ("of score", 1))
    return f"{_number(lens, name, weights, factor)} {unit}"


def _number(lens: Lens, name: str, weights: np.ndarray, factor: float) -> str:
    value, error = lens.effects[name].contrast(weights)
    value, half = value * factor, WIDTH * error * factor
    if not math.isfinite(value):
        return "–"
    rounding = 1e-9 * factor * math.sqrt(lens.effects[name].variance)
    value = 0.0 if abs(value) <= rounding else value
    if half <= 1e3 * rounding:
        return f"{value:+,.4g}" if abs(value) < 1e4 else f"{value:+,.0f}"
    digits = max(0, 1 - math.floor(math.log10(half)))
    return f"{value:+,.{digits}f} ± {half:,.{digits}f}"


# ---- how well it is known ------------------------------------------------------------------


def known(lens: Lens) -> Trust:
    """Return how well the numbers of a lens are known, and why it should not be trusted."""
    row, population = lens.rows[0], lens.population
    found = trust_of_searches.of_rows([row])[row.device, row.task, row.proxy, row.search]
    count, where = len(population.genes), f"of {row.space} on {row.device}"
    if population.listed:
        said = (
            f"effects {where} are exact means over all {count:,} architectures that work, so they "
            "are as good as the numbers that they are means of"
        )
        unknown = "; their intervals (±, 95 %) hold what the predictor of metrics does not know"
    else:
        said = (
            f"effects {where} are estimated from {count:,} random architectures, all genes "
            "together by least squares; their intervals (±, 95 %) hold that sample's error"
        )
        unknown = ", and what the predictor of metrics does not know"
    if population.predictor is not None:
        said += unknown
    effects = (
        "an effect is the mean over the space with that choice, less the mean of these means over "
        "all choices of its gene, where the gene matters"
    )
    points, seeds = len(lens.searched.fronts), lens.searched.fronts["seed"].nunique()
    fronts = (
        f"fronts are those of {seeds} seeds of {row.search_label} by {row.proxy_label}: {points} "
        f"points, {lens.searched.fronts['arch'].nunique()} different architectures"
    )
    if lens.exact is not None:
        fronts += (
            f"; and the exact front of all architectures by the same numbers, {len(lens.exact[0])}"
        )
    of = "all architectures" if population.listed else "all that was evaluated"
    loss = f"what leaving out loses is of {of}, by {' and '.join(population.objectives)}"
    parts = [found, Trust((said, effects, fronts, loss)), *_doubts(lens, where, points)]
    return trust.all_of(parts)


def _doubts(lens: Lens, where: str, points: int) -> Iterator[Trust]:
    for name, effects in lens.effects.items():
        if effects.additive < LEAST_ADDITIVE:
            doubt = (
                f"effects {where} explain only {effects.additive:.0%} of the variance of the "
                f"{_name(lens, name)}: choices do more together than each by itself"
            )
            yield Trust(doubts=(doubt,))
    if points < LEAST_POINTS:
        yield Trust(
            doubts=(
                f"all fronts {where} have {points} points, fewer than {LEAST_POINTS}: a choice may "
                "be on none of them by chance",
            )
        )
    predictor = lens.population.predictor
    for name in predictor.lines if predictor is not None else ():
        yield Trust(
            doubts=(
                f"{_name(lens, name)} {where} is predicted by a straight line through FLOPs, so "
                "that its effects are those of FLOPs",
            )
        )
    if lens.agreement is not None:
        tau, rho = lens.agreement
        said = (
            f"the effects {where} on the {_name(lens, lens.population.score)} and on the true "
            f"error agree with Kendall's tau {tau:.2f} (Spearman {rho:.2f}), over all choices"
        )
        doubt = f"{said}, below {LEAST_PROXY_SPEARMAN:g}: go by those on the true error"
        yield Trust((said,), (doubt,) if rho < LEAST_PROXY_SPEARMAN else ())


# ---- tables --------------------------------------------------------------------------------


def _smaller(lens: Lens) -> list[str]:
    """Return the chapter on what can be left out."""
    lines = ["## A smaller space", "", _reduced(lens), ""]
    if not lens.reduction.left_out:
        return lines
    lines += ["| left out | of | hypervolume that stays |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {part} | {share:.2%} |" for (part, name), share in lens.reduction.left_out
    ]
    if lens.true_share is not None:
        lines += ["", f"Of the true front's hypervolume {lens.true_share:.2%} stays."]
    return [*lines, ""]


def _tables(lens: Lens) -> Iterator[str]:
    table, names = lens.table(), list(lens.effects)
    columns = [
        f"{_name(lens, name)}" + (f" ({_UNITS[name][0]})" if name in _UNITS else "")
        for name in names
    ]
    low, high = lens.limits
    unit = _UNITS[lens.metric][0]
    yield from ("## Every choice", "")
    yield (
        "Effects with intervals of 95 %; shares of the points of found fronts, and of their thirds "
        f"by {_name(lens, lens.metric)}: below {low:.4g} {unit}, to {high:.4g}, above."
    )
    yield ""
    shares = ["fronts", *(f"{third} third" for third in THIRDS)]
    shares += ["exact front"] if "on_exact_front" in table else []
    head = ["place", "choice", *columns, *shares, "front left without", "kept"]
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for one, line in zip(lens.choices, table.to_dict("records"), strict=True):
        weights = mean_of([one], len(lens.choices))
        cells = [escape.markdown(one.place), f"`{one.name}`"]
        cells += [_number(lens, name, weights, _UNITS.get(name, ("", 1))[1]) for name in names]
        cells += [_percent(line[column]) for column in lens.standing]
        cells += [
            _percent(line["front_left_without"], digits=2),
            "yes" if line["kept"] else "**no**",
        ]
        yield f"| {' | '.join(cells)} |"
    yield from ("", "## What the choices are worth together", "")
    yield f"| instead of | {' | '.join(columns)} |"
    yield f"|{'---|' * (len(columns) + 1)}"
    finite = np.isfinite(lens.effects[names[0]].values)
    for label, weights in comparisons(lens.choices, finite):
        cells = [_number(lens, name, weights, _UNITS.get(name, ("", 1))[1]) for name in names]
        yield f"| {label} | {' | '.join(cells)} |"
    yield from ("", "Where the numbers come from:", "")
    for name, source in lens.population.sources.items():
        yield f"- {_name(lens, name)}: {escape.markdown(str(source))}"
    yield ""


def _percent(share: float, digits: int = 0) -> str:
    return "–" if pd.isna(share) else f"{share:.{digits}%}"
