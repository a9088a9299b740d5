"""A figure of what each choice of a space is worth: its effects, and how often fronts have it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hanas.fronts.lens.choices import Choice, mean_of, units
from hanas.fronts.lens.effects import WIDTH
from hanas.fronts.lens.lens import Lens
from hanas.fronts.lens.population import TRUE
from hanas.fronts.lens.standing import THIRDS
from hanas.report.figures import style

#: Inches a line of a choice, and between two parts of a space.
_LINE = 0.15
_GAP = 0.6
#: From the fastest third to the slowest.
_SHADES = ("#9ecae1", "#4292c6", "#084594")


@style.applied()
def draw(lens: Lens) -> Figure:
    """Draw the effects of each choice, a mean over the genes of its part, and where fronts have it.

    Bars are intervals of 95 %; small marks are single genes; hollow ones are on no front.
    """
    groups = units(lens.choices)
    places, ticks = _places(list(groups))
    row = lens.rows[0]
    footer = [
        "Effects are means over the space with a choice less the mean over all choices of its "
        "gene; large marks are means over the genes of a part, small ones single genes, bars "
        "intervals of 95 %; hollow: on no front; grey names: left out in the smaller space.",
        *(f"{name}: {source}." for name, source in lens.population.sources.items()),
    ]
    title = f"{row.space} on {row.device}: what each choice is worth (task {row.task})"
    height = _LINE * (max(places) + 2) + 0.6
    made = style.figure(style.TWO_COLUMNS, height, title, footer)
    names = [*lens.population.metrics, lens.population.score]
    names += [TRUE] if TRUE in lens.effects else []
    panels = made.subplots(1, len(names) + 1, sharey=True)
    for axes, name in zip(panels, names, strict=False):
        _draw_effects(axes, lens, name, list(groups.values()), places)
        axes.set_xlabel(_label(lens, name))
    _draw_shares(panels[-1], lens, list(groups.values()), places)
    style.legend(made, panels[-1])
    axes = panels[0]
    axes.set_yticks([*places, *ticks.values()])
    axes.set_yticklabels([*(name for _, name in groups), *ticks])
    gone = {unit for unit, _ in lens.reduction.left_out}
    labels = axes.get_yticklabels()
    for text, unit in zip(labels, groups, strict=False):
        text.set_color(style.CLOUD if unit in gone else style.INK)
    for text in labels[len(places) :]:
        text.set_fontweight("bold")
    axes.set_ylim(max(places) + 0.7, -1.4)
    for axes in panels:
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
    return made


def _places(unit_names: list[tuple[str, str]]) -> tuple[list[float], dict[str, float]]:
    """Return the height of each unit, and of the headings of parts."""
    places, headings, at = [], {}, -1.0
    for part, _ in unit_names:
        if part not in headings:
            headings[part] = at + (_GAP if places else 0.3)
            at = headings[part] + 1
        places.append(at)
        at += 1
    return places, headings


def _label(lens: Lens, name: str) -> str:
    if name in ("latency_ms", "energy_mj"):
        return style.label(name, arrow=False)
    if name == TRUE:
        return "true error (points)"
    if name == "error":
        return f"{lens.rows[0].proxy_label}\nerror (points)"
    return f"{lens.rows[0].proxy_label}\n{name.replace('_', ' ').replace('proxy ', '')}"


def _draw_effects(
    axes: Axes, lens: Lens, name: str, groups: list[list[Choice]], places: list[float]
) -> None:
    effects = lens.effects[name]
    factor = 100 if name in (TRUE, "error") else 1
    axes.axvline(0, color=style.SOFT, linewidth=0.6, zorder=1)
    for group, place in zip(groups, places, strict=True):
        each = np.array([one.effect for one in group])
        value, error = effects.contrast(mean_of(group, len(lens.choices)))
        hollow = bool(lens.never[each].all())
        if len(group) > 1:
            small = {"marker": ".", "markersize": 2, "color": style.CLOUD, "linestyle": "none"}
            axes.plot(effects.values[each] * factor, np.full(len(each), place), **small)
        axes.plot(
            (value + np.array([-1, 1]) * WIDTH * error) * factor,
            [place, place],
            color=style.TRUE,
            linewidth=1,
        )
        face = "white" if hollow else style.TRUE
        how = {"marker": "o", "markersize": 3.6, "color": style.TRUE, "zorder": 3}
        axes.plot([value * factor], [place], markerfacecolor=face, **how)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def _draw_shares(axes: Axes, lens: Lens, groups: list[list[Choice]], places: list[float]) -> None:
    standing, metric = lens.standing, lens.metric.split("_")[0]
    for number, third in enumerate(THIRDS):
        column = standing[f"on_{third}_third"].to_numpy()
        lengths = [
            100 * float(np.nanmean(column[[one.effect for one in group]])) for group in groups
        ]
        at = np.array(places) + (number - 1) * 0.26
        axes.barh(
            at,
            lengths,
            height=0.24,
            color=_SHADES[number],
            label=f"on fronts: {third} third of {metric}",
        )
    axes.set_xlabel(f"on fronts (%), by\nthirds of {metric}")
    axes.set_xlim(0, 100)
