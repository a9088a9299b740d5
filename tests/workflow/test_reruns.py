"""An edit of the configuration reruns exactly what depends on it."""

from collections.abc import Callable

import pytest


def _set(*path_and_value) -> Callable[[dict], None]:
    *path, last, value = path_and_value

    def edit(config: dict) -> None:
        for key in path:
            config = config[key]
        config[last] = value

    return edit


def _fuse(config: dict) -> None:
    config["proxies"]["both"] = {"kind": "fused", "proxies": ["gdas_toy", "params"]}
    config["evaluation"] = {"proxies": ["both"]}


def _reverse_keys(config: dict) -> None:
    for section, entries in list(config.items()):
        config.pop(section)
        config[section] = dict(reversed(entries.items()))


def _sequence(*edits: Callable[[dict], None]) -> Callable[[dict], None]:
    def edit(config: dict) -> None:
        for one in edits:
            one(config)

    return edit


# Picks that are trained are exported and described.
RETRAINED = {"retrain": 1, "export": 1, "model_cards": 1}
# What shows a table, and what judges a search with a new proxy, of both devices.
TABLES = {"table": 2, "comparison": 2, "all_tables": 1}
DRAWN = {
    **{"figure_fronts": 2, "figure_proxy_and_true": 2},
    **{"figure_generations": 2, "figure_convergence": 2, "figure_peeling": 2},
}
JUDGED = {
    **{"evaluation": 2, "peeling": 2, "trained_fronts": 2, "decisions": 2, "explorer": 1},
    **{"devices_compared": 1, "ranking": 1},
    **DRAWN,
}
# The same of one device.
TABLE = {"table": 1, "comparison": 1, "all_tables": 1}
DRAWN_HERE = dict.fromkeys(DRAWN, 1)
JUDGED_HERE = {
    **{"evaluation": 1, "peeling": 1, "trained_fronts": 1, "decisions": 1, "explorer": 1},
    **{"devices_compared": 1},
    **DRAWN_HERE,
}
# The figures that show other searches than that whose front is used, or read what judged them.
BESIDE = {"figure_fronts": 2, "figure_convergence": 2, "figure_peeling": 2}
ALL_SEARCHES = {"search": 4, **JUDGED, **TABLES}
# What shows every front and its label, besides tables and figures.
LABELLED = {"decisions": 2, "trained_fronts": 2, "explorer": 1}
# What judges a proxy that stands beside; of the figures two read what judged it.
JUDGED_BESIDE = {"search": 4, **{k: v for k, v in JUDGED.items() if k not in DRAWN}}
JUDGED_BESIDE |= {"figure_convergence": 2, "figure_peeling": 2}

EDITS = {
    "nothing": (lambda config: None, {}),
    "key order": (_reverse_keys, {}),
    "an explicit default": (
        _sequence(
            _set("supernets", "gdas_toy", "training", "momentum", 0.9),
            _set("supernets", "gdas_toy", "training", "final_learning_rate", 0.0),
            _set("searches", "nsga2", "mutation_probability", 0.1),
        ),
        {},
    ),
    "learning rate of the searched supernet": (
        _set(
            "supernets", "gdas_toy", "training", {"epochs": 2, "batch_size": 8, "crop_padding": 1}
        ),
        {"train_supernet": 1, "proxy_table": 1, **ALL_SEARCHES, **RETRAINED},
    ),
    "seed of a supernet that is only a row": (
        _set("supernets", "darts_toy", "seed", 1),
        {"train_supernet": 1, **TABLES},
    ),
    "images of the proxy": (
        _set("proxies", "gdas_toy", "images", 32),
        {"proxy_table": 1, **ALL_SEARCHES, **RETRAINED},
    ),
    "what the search minimises": (
        _set("proxies", "gdas_toy", "objective", "cross_entropy"),
        {**ALL_SEARCHES, **RETRAINED},
    ),
    "a proxy made of two others": (_fuse, {"proxy_table": 1, **JUDGED_BESIDE}),
    "images of one of the two": (
        _sequence(_fuse, _set("proxies", "gdas_toy", "images", 32)),
        {**ALL_SEARCHES, "proxy_table": 2, "search": 8, **RETRAINED},
    ),
    "workers of the proxy": (_set("proxies", "gdas_toy", "threads", 1), {}),
    "one device": (
        _set("devices", "edgetpu", "device", "pixel3"),
        {"device_table": 1, "search": 4, **JUDGED_HERE, **TABLE},
    ),
    "objectives of one device": (
        _set("devices", "edgegpu", "objectives", ["latency_ms"]),
        {"search": 4, **JUDGED_HERE, **TABLE, **RETRAINED},
    ),
    "population of a searcher": (
        _sequence(
            _set("searches", "nsga2", "population", 11), _set("searches", "nsga2", "random", 2)
        ),
        {key: count for key, count in ALL_SEARCHES.items() if key != "ranking"} | RETRAINED,
    ),
    "one more seed": (
        _set("searches", "random", "seeds", 3),
        # Fronts are lent to other devices from nsga2 alone.
        {
            **{"search": 4, "evaluation": 2, "peeling": 2},
            **LABELLED,
            **BESIDE,
            **TABLES,
        },
    ),
    "source of true accuracy": (
        _set("benchmarks", "nb201", "toy", "dataset", "cifar100"),
        {"accuracy_table": 1, **JUDGED, **TABLES, **RETRAINED},
    ),
    "representative": (
        _set("tables", {"representative": "lowest_error"}),
        {**TABLES, **RETRAINED},
    ),
    "label": (_set("supernets", "darts_toy", "label", "DARTS-V1"), TABLES),
    "label of a proxy": (
        _set("proxies", "params", "label", "size"),
        {**LABELLED, "figure_peeling": 2, **TABLES},
    ),
    "how far fronts are peeled": (
        _set("evaluation", {"peeling": {"epsilon": 0.02}}),
        {"peeling": 2, "figure_peeling": 2, "trained_fronts": 2},
    ),
    "accuracy floor": (_set("tasks", "toy", "accuracy_floor_percent", 60), JUDGED),
    "split of the images": (
        _set("datasets", "toy", "split_seed", 1),
        {"dataset": 1, "train_supernet": 2, "proxy_table": 1, **ALL_SEARCHES, **RETRAINED},
    ),
    "epochs of the retraining": (
        _set("retrainings", "edgegpu_toy", "training", {"epochs": 3}),
        RETRAINED,
    ),
    "a new device": (
        _set("devices", "fpga", {"kind": "surrogate", "device": "fpga", "dataset": "cifar10"}),
        {"device_table": 1, "search": 4, **JUDGED_HERE, **TABLE},
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_edit_reruns_what_depends_on_it(computed_study, name):
    edit, expected = EDITS[name]
    before = (computed_study.folder / "config.yaml").read_text(encoding="utf-8")
    config = computed_study.config()
    edit(config)
    computed_study.write(config)
    try:
        assert computed_study.planned() == expected
    finally:
        (computed_study.folder / "config.yaml").write_text(before, encoding="utf-8")


def test_a_comment_reruns_nothing(computed_study):
    path = computed_study.folder / "config.yaml"
    before = path.read_text(encoding="utf-8")
    path.write_text("# a comment\n" + before, encoding="utf-8")
    try:
        assert computed_study.planned() == {}
    finally:
        path.write_text(before, encoding="utf-8")


def test_a_new_picture_reruns_what_is_trained_on_it(computed_study):
    folder = computed_study.folder / "data" / "toy_images" / "class_0"
    picture = folder / "added.png"
    picture.write_bytes((folder / "000.png").read_bytes())
    try:
        planned = computed_study.planned()
    finally:
        picture.unlink()
    assert planned["dataset"] == 1
    assert planned["train_supernet"] == 2
