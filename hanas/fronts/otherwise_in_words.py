"""Say how trained picks stand to published networks and random members, and if the search lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hanas.fronts.otherwise import (
    AS_FAST,
    BETTER,
    CONFIDENCE,
    FASTER,
    SAME,
    UNKNOWN,
    USELESS,
    WORSE,
    compared_percent,
    is_useless,
    judged_by,
    measured,
    order_between_seeds,
    spread_between_seeds,
)


def difference_in_words(row: Mapping[Any, Any]) -> str:
    """Return how a model stands to what one would take otherwise, of columns ``otherwise_...``.

    >>> told = {"points": -1.25, "points_uncertainty": 0.5, "ms": 0.25, "verdict": WORSE}
    >>> difference_in_words({f"otherwise_{name}": value for name, value in told.items()})
    '**1.25 ± 0.50 points worse** and 0.25 ms slower'
    >>> told = {"points": 0.0, "points_uncertainty": 0.5, "ms": -0.25, "verdict": FASTER}
    >>> difference_in_words({f"otherwise_{name}": value for name, value in told.items()})
    'as accurate (± 0.50 points) and 0.25 ms faster (none is as fast)'
    """
    points, uncertainty = row["otherwise_points"], row["otherwise_points_uncertainty"]
    ms, judged = row["otherwise_ms"], row["otherwise_verdict"]
    spread = "" if np.isnan(uncertainty) else f" ± {uncertainty:.2f}"
    said = f"{abs(points):.2f}{spread} points {'better' if points >= 0 else 'worse'}"
    if abs(points) < 0.005:
        said = "as accurate" + (f" ({spread.strip()} points)" if spread else "")
    if judged == WORSE:
        said = f"**{said}**"
    if judged in (SAME, UNKNOWN):
        said += f" ({judged})"
    if judged == USELESS:
        said += f" (**{judged}**)"
    said += f" and {abs(ms):.3g} ms {'faster' if ms < 0 else 'slower'}"
    return said + (f" ({judged})" if judged == FASTER else "")


def pick_in_words(point: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line below a pick of a front: what one would take otherwise, and how it stands.

    ``point`` is a row of :func:`hanas.fronts.otherwise.beside_front`; nothing, if nothing is known.
    """
    if not isinstance(other := point.get("otherwise"), str):
        return
    percent, ms = point["otherwise_accuracy_percent"], point["otherwise_latency_ms"]
    balanced = " balanced" if point.get("trained_judged_by") == "balanced" else ""
    line = f"  - Otherwise: `{other}` ({percent:.2f} %{balanced}, {ms:.4g} ms)."
    if np.isnan(point["trained_accuracy_percent"]):
        yield f"{line} The pick is not trained, so which is better is **not known**."
        return
    said = difference_in_words(point)
    yield (
        f"{line} The pick, trained ({point['trained_accuracy_percent']:.2f} %{balanced}, measured "
        f"{point['measured_latency_ms']:.4g} ms), is {said}."
    )


class Comparison(NamedTuple):
    """What is told of the trained models of a retraining on a device, as Markdown texts."""

    headlines: list[str]  # whether the search won or lost is said first
    head: list[str]
    rows: list[list[str]]
    notes: list[str]


def section(models: pd.DataFrame, others: pd.DataFrame | None, *, device: str) -> list[str]:
    """Return :func:`comparison` as lines of Markdown."""
    told = comparison(models, others, device=device)
    numbers = len(told.head) - 4
    table = [told.head, [":--", ":--", *["--:"] * numbers, ":--", ":--"], *told.rows]
    lines = [line for headline in told.headlines for line in (headline, "")]
    lines += [f"| {' | '.join(cells)} |" for cells in table]
    return [*lines, "", *(f"- {note}" for note in told.notes), ""]


def comparison(models: pd.DataFrame, others: pd.DataFrame | None, *, device: str) -> Comparison:
    """Return what there is to say of the trained models of a retraining on a device.

    ``models`` has the columns of :func:`hanas.fronts.otherwise.models_compared`: ``otherwise``,
    where there are ``others``, and ``random``, where it has random members.
    """
    models = measured(models, device)
    shelf = models.iloc[:0] if others is None else measured(others, device)
    drawn = (models["role"] == "random").to_numpy()
    picks, random = models[~drawn], models[drawn]
    everything = pd.concat([picks, random, shelf])
    headlines = []
    if len(shelf):
        headlines.append(_headline(picks["otherwise_verdict"].tolist(), "a published network"))
    if len(random):
        accuracy, latency = compared_percent(random), random["latency_ms"]
        deviation = f" ± {accuracy.std(ddof=1):.2f}" if len(random) > 1 else ""
        headlines.append(
            f"{_headline(picks['random_verdict'].tolist(), 'a random member of the space')} "
            f"({len(random)} random: {accuracy.mean():.2f}{deviation} % at {latency.mean():.3g} ms "
            "in the mean.)"
        )
    headlines += _of_useless(everything)
    everything = everything.sort_values("latency_ms", kind="stable")
    of, uneven = judged_by(everything), classes_are_uneven(everything)
    beside = "balanced" if of == "accuracy" else "accuracy"
    head = ["model", "what", f"{of} (%)", *([f"{beside} (%)"] if uneven else []), "seeds"]
    head += [f"latency (ms{in_batches(everything)})", "otherwise", "the model is"]
    rows = [_cells(row, of, beside if uneven else None) for row in everything.to_dict("records")]
    return Comparison(headlines, head, rows, _how_known(everything, uneven))


def _of_useless(models: pd.DataFrame) -> Iterator[str]:
    """Yield that some models are hardly better than always answering one class, where they are."""
    useless, every = int(is_useless(models).sum()), len(models)
    if not useless:
        return
    some = "All" if useless == every else f"{useless} of the"
    yield (
        f"**{some} {every} models are hardly better than always answering one class: train them "
        "longer, or look at the images.**"
    )


def classes_are_uneven(models: pd.DataFrame) -> bool:
    """Return whether the balanced accuracies of models say something else than the overall ones."""
    if "float32_balanced_percent" not in models:
        return False
    differ = models["float32_balanced_percent"] - models["float32_accuracy_percent"]
    return bool((differ.abs() >= 0.005).any())


def in_batches(models: pd.DataFrame) -> str:
    """Return what to say behind the unit of a latency: of an image, where a pass has several."""
    batches = sorted(set(models["batch"].dropna().astype(int)) - {1}) if "batch" in models else []
    return f" an image, batch {' or '.join(map(str, batches))}" if batches else ""


def _headline(verdicts: Sequence[str], other: str) -> str:
    whole, order = len(verdicts), (BETTER, WORSE, SAME, FASTER, UNKNOWN, USELESS)
    counts = {of: int(sum(one == of for one in verdicts)) for of in order}
    if counts[WORSE]:
        head = "**hanas loses here.**" if counts[WORSE] == whole else "**hanas loses in part.**"
    elif counts[BETTER]:
        head = "hanas wins here." if counts[BETTER] == whole else "hanas wins in part."
    else:
        head = "**No gain in accuracy is shown here.**"
    parts = {
        BETTER: "more accurate",
        WORSE: "**less accurate**",
        SAME: "not clearly different",
        FASTER: "faster than all of them, and not clearly more accurate",
        UNKNOWN: "different by an amount that one seed each cannot judge",
        USELESS: "more accurate, but hardly better than always answering one class",
    }
    said = ", ".join(f"{count} {parts[of]}" for of, count in counts.items() if count)
    return f"{head} Of {whole} trained picks, beside {other} that one would take otherwise: {said}."


def _cells(row: Mapping[Any, Any], of: str, beside: str | None) -> list[str]:
    deviation, published = row[f"test_{of}_percent_std"], row["role"] == "published"
    spread = "" if np.isnan(deviation) else f" ± {deviation:.2f}"
    compared = not published and isinstance(row.get("otherwise"), str)
    return [
        f"`{row['arch']}`" if published else f"{row['retraining']}/{row['number']}",
        str(row["role"]),
        f"{row[f'device_{of}_percent']:.2f}{spread}",
        *([f"{row[f'float32_{beside}_percent']:.2f}"] if beside else []),
        str(row["seeds"]),
        f"{row['latency_ms']:.4g}",
        f"`{row['otherwise']}`" if compared else "",
        difference_in_words(row) if compared else "",
    ]


def _starts(models: pd.DataFrame) -> str:
    """Return which models did not begin from scratch, as all others do."""
    if "started_from" not in models:
        return ""
    begun = models.dropna(subset=["started_from"])[["retraining", "started_from"]]
    pairs = begun.drop_duplicates().itertuples(index=False, name=None)
    said = ", ".join(f"those of {retraining} from {start}" for retraining, start in pairs)
    return f", but began elsewhere: {said}, all others from scratch" if said else ""


def _how_known(models: pd.DataFrame, uneven: bool) -> list[str]:
    spread = spread_between_seeds(models)
    seeds = sorted(set(models["seeds"]))
    known = "of one training each, so nothing says how far chance moves them"
    if spread.freedom:
        known = (
            f"the mean of {' or '.join(map(str, seeds))} trainings, with the standard "
            f"deviation between seeds, {spread.deviation:.2f} points over all "
            f"({spread.freedom} degrees of freedom); ± behind a difference is half of its "
            f"{100 * CONFIDENCE:.0f} % interval"
        )
        if not np.isnan(order := order_between_seeds(models)):
            known += f". Kendall's tau of the first training with the others is {order:.2f}"
    precision = ""
    if "precision" in models and (models["precision"] == "int8").any():
        precision = ", less what the exported network loses in INT8"
    images = int(models["test_images"].iloc[0])
    share = float(compared_percent(models).mean()) / 100
    by_images = 100 * float(np.sqrt(share * (1 - share) / images))
    accuracy = "; ".join(map(str, models["accuracy_source"].unique()))
    latency = "; ".join(map(str, models["latency_source"].unique()))
    of, more = "Accuracy", ""
    balanced = "Balanced: the mean of the accuracies of the classes, of the first seed."
    if judged_by(models) == "balanced":
        of, more = "Balanced accuracy, the mean over the classes", " or more, as classes are uneven"
        balanced = (
            "The training weighs classes (class_weights), so that models are compared by balanced "
            "accuracies; the other accuracy is of the first seed, in float32."
        )
    return [
        f"{of}: on {images} test images{precision}, {known}. Other test images would move a "
        f"number by about {by_images:.2f} points{more} (one standard error), which is not in any "
        f"±. All were trained alike{_starts(models)} ({accuracy}).",
        *([balanced] * uneven),
        f"Latency: {latency}.",
        f"Otherwise: the most accurate published network that is at most "
        f"{100 * (AS_FAST - 1):.0f} % slower; where there is none, the fastest. "
        "Models are in results/models/.",
    ]
