"""The lens as a rule: on the tiny study's cells, and in a study of two stages of layers."""

import pandas as pd
import pytest
import yaml
from PIL import Image
from studies import TINY, Study, write_toy_images

from hanas.core import plugins

pytestmark = pytest.mark.slow  # a whole study each

SPACE = {
    "kind": "layerwise",
    "stem": 8,
    "stages": [{"channels": 8, "layers": 2, "stride": 1}, {"channels": 16, "layers": 8}],
    "operations": ["mb1_3x3", "mb2_5x5", "separable_3x3", "identity"],
    "last": 16,
}
#: Prints a latency that grows with the model.
BOARD = """#!/bin/sh
printf '{"latency_ms": [%d]}\\n' "$(wc -c < "$1")"
"""


def test_the_lens_on_cells_is_made_when_it_is_asked_for(computed_study):
    folder = "results/spaces/nb201/edgegpu"
    computed_study.compute(f"{folder}/lens.csv")
    made = computed_study.folder / folder
    table = pd.read_csv(made / "lens.csv")
    assert len(table) == 30  # five operations on six edges
    cells = pd.read_parquet(computed_study.folder / "results/devices/edgegpu/nb201/toy.parquet")
    assert cells["feasible"].all()
    # Independent: means by the text of the edge, of cells whose input reaches their output.
    first = cells["arch"].str.extract(r"^\|(\w+)~0\|")[0]
    space = plugins.space("nb201")
    works = space.connected(space.all_genes())
    means = cells[works].groupby(first[works])["latency_ms"].mean()
    of_edge = table[table["gene"] == 0].set_index("choice")["latency_ms"]
    pd.testing.assert_series_equal(
        (means - means.mean()).sort_index(), of_edge.sort_index(), check_names=False, rtol=1e-9
    )
    words = (made / "lens.md").read_text()
    assert words.startswith("# Space nb201 on edgegpu (task toy)")
    assert "How well things are known:" in words
    with Image.open(made / "lens.png") as picture:
        assert picture.width > 1000
    assert yaml.safe_load((made / "lens.yaml").read_text())


def test_a_second_stage_searches_what_the_lens_on_the_first_leaves(tmp_path):
    study = Study(tmp_path / "study")
    write_toy_images(study.folder / "data" / "toy_images")
    board = tmp_path / "board.sh"
    board.write_text(BOARD)
    board.chmod(0o755)
    campaign = {"models": 8, "first": 8, "each_round": 1, "held_out": 3}
    stage = {"kind": "lens", "from": "mine", "task": "first", "device": "board", "keep": 0.8}
    study.write(
        {
            "datasets": TINY["datasets"],
            "spaces": {"mine": SPACE, "next": stage},
            "devices": {
                "board": {
                    **{"kind": "command", "command": f"{board} {{model}}", "passes": 1},
                    **{"again": 1, "campaign": campaign},
                }
            },
            "proxies": {name: {"kind": "flops", "space": name} for name in ("mine", "next")},
            "tasks": {
                task: {"dataset": "toy", "space": space, "proxies": [space]}
                for task, space in (("first", "mine"), ("second", "next"))
            },
            "searches": {"nsga2": TINY["searches"]["nsga2"]},
            "lens": {"sample": 100},
        }
    )
    counts = study.compute("results/gained/second/board.csv")
    assert counts["smaller_space"] == 1
    results = study.folder / "results"
    made = yaml.safe_load((results / "spaces/next.yaml").read_text())["spaces"]["next"]
    kept = {
        name: set(stage["operations"] if "operations" in stage else made["operations"])
        for name, stage in zip(("first", "second"), made["stages"], strict=True)
    }
    assert sum(map(len, kept.values())) < 8
    history = pd.read_parquet(results / "searches/second/board/next.parquet")
    stages = history["arch"].str.split("+", regex=False, expand=True)
    for number, names in enumerate(kept.values()):
        assert set("|".join(stages[number]).split("|")) - {""} <= names
    gained = pd.read_csv(results / "gained/second/board.csv")
    assert gained.groupby("stage").size().to_dict() == {"first": 2, "second": 2}
    words = (results / "gained/second/board.md").read_text()
    assert "of the hypervolume of all fronts together" in words
