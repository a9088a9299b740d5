"""Whether short trainings of many networks tell more than long ones of few, at equal CPU minutes.

Usage: python benchmarks/cheaper_trainings.py --images results/datasets/cifar10.pt --rows rows.csv

Random networks of nas_bench_macro at width .25 and 16x16 pixels are trained long, 8 epochs of 1,280
images of CIFAR-10, and short, 2 epochs with the schedule shortened, at a quarter of the price; then
long in a second seed. (So few steps see few images: fewer images for as many steps cost the same.)
What is in ``rows.csv`` is not trained again; about ten CPU minutes, ``--minutes`` ends it earlier.

Printed: Kendall's tau of short with long trainings and of the seeds of long ones, and that of
models of accuracy with the long trainings of five networks they know nothing of (means over 100
draws of the five): learned from few long trainings, or from short ones of all ten others at about
the same price, or from both, what the short ones tell being a feature of a model of the long ones.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from hanas.core import plugins
from hanas.core.files import read_csv
from hanas.core.gaussian_process import fit
from hanas.data.images import load_images, save_images
from hanas.spaces._stage_features import StageFeatures
from hanas.training.retraining import FromScratchTraining
from hanas.training.settings import FromScratch

SPACE = plugins.space("nas_bench_macro")
NETWORKS, IMAGES, JUDGED_ON, BATCH = 15, 1280, 2000, 32
HELD_OUT, DRAWS = 5, 100
#: Epochs and images of a training.
KINDS = {"long": (8, IMAGES), "short": (2, IMAGES)}
SETTINGS = {
    "space": SPACE.name,
    "images": "train",
    "network": {"width": 0.25, "first_scale": 0.1},
    "training": {"batch_size": BATCH, "resolution": 16, "crop_padding": 2, "learning_rate": 0.05},
    "train_on": "cpu",
}


def train(images: Path, rows: Path, minutes: float) -> None:
    """Add to the file ``rows`` what each training shows, until so many CPU minutes are spent."""
    data, rng = load_images(images), np.random.default_rng(0)
    splits = {name: rng.permutation(indices) for name, indices in data.splits.items()}
    splits["validation"] = splits["validation"][:JUDGED_ON]
    splits["test"] = splits["test"][:100]  # which nothing is made of
    archs = [SPACE.to_text(row) for row in SPACE.sample(24, np.random.default_rng(1))]
    archs = archs[:NETWORKS]
    wanted = [*product(archs, KINDS, [0]), *product(archs, ["long"], [1])]
    done = read_csv(rows) if rows.exists() else pd.DataFrame(columns=["arch", "kind", "seed"])
    seen, found = set(zip(done["arch"], done["kind"], done["seed"], strict=True)), [done]
    with tempfile.TemporaryDirectory() as folder:
        for kind, (_, count) in KINDS.items():
            part = {**splits, "train": splits["train"][:count]}
            save_images(replace(data, splits=part), f"{folder}/{kind}.pt")
        started = time.process_time()
        for arch, kind, seed in wanted:
            if (arch, kind, seed) in seen or time.process_time() - started > 60 * minutes:
                continue
            training = {**SETTINGS["training"], "epochs": KINDS[kind][0]}
            how = FromScratch.read({**SETTINGS, "training": training})
            before = time.process_time()
            row, _, _ = FromScratchTraining(
                how, f"{folder}/{kind}.pt", checkpoints=f"{folder}/checkpoints", log=lambda _: None
            ).train(arch, seed)
            percent, seconds = row["validation_accuracy_percent"], time.process_time() - before
            line = {"arch": arch, "kind": kind, "seed": seed, "percent": percent}
            found.append(pd.DataFrame([line | {"cpu_seconds": seconds}]))
            pd.concat([one for one in found if len(one)]).to_csv(rows, index=False)
            print(f"{arch} {kind} {seed}: {percent:.2f} %, {seconds:.1f} s", flush=True)


def judge(rows: pd.DataFrame) -> None:
    """Print how well each kind of training tells of long ones."""
    table = rows.pivot_table(index="arch", columns=["kind", "seed"], values="percent")
    seconds = rows.groupby("kind")["cpu_seconds"].mean()
    print(f"CPU seconds a training: {seconds['long']:.1f} long, {seconds['short']:.1f} short")
    long, short = table["long", 0], table["short", 0]
    print(f"{len(table)} networks: deviation {long.std():.2f} points, short {short.std():.2f}")
    print(f"tau of short with long: {kendalltau(short, long).statistic:.2f}")
    twice = table["long"].dropna().to_numpy()
    if twice.shape[1] == 2:
        spread = np.sqrt((np.diff(twice) ** 2).mean() / 2)
        tau = kendalltau(*twice.T).statistic
        print(f"{len(twice)} trained long twice: deviation {spread:.2f} points, tau {tau:.2f}")
    genes = np.array([SPACE.from_text(arch) for arch in table.index])
    features, rng = StageFeatures(SPACE)(genes), np.random.default_rng(0)
    errors = {kind: np.log(1 - table[kind, 0].to_numpy() / 100) for kind in KINDS}
    found: dict[str, list[float]] = {}
    for _ in range(DRAWS):
        order = rng.permutation(len(genes))
        unknown, known = order[:HELD_OUT], order[HELD_OUT:]
        by_short = fit([features], known, errors["short"][known]).mean
        told = ((by_short - by_short.mean()) / by_short.std())[:, None]
        ways = {f"{len(known)} short": by_short}
        for count in (3, 6, len(known)):
            some = known[:count]
            ways[f"{count} long"] = fit([features], some, errors["long"][some]).mean
            both = [told, features]
            ways[f"{count} long, {len(known)} short"] = fit(both, some, errors["long"][some]).mean
        for way, expected in ways.items():
            tau = kendalltau(expected[unknown], errors["long"][unknown]).statistic
            found.setdefault(way, []).append(np.nan_to_num(tau))
    price = {"long": seconds["long"], "short": seconds["short"]}
    for way, taus in found.items():
        parts = (part.split() for part in way.split(", "))
        cpu = sum(int(count) * price[kind] for count, kind in parts)
        print(f"{way}: tau {np.mean(taus):.2f}, {cpu:.0f} CPU seconds")


def main() -> None:
    """Train what is not trained yet, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12)
    options = parser.parse_args()
    train(options.images, options.rows, options.minutes)
    judge(read_csv(options.rows))


if __name__ == "__main__":
    main()
