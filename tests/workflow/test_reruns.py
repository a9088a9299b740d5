"""Snakemake reruns what the graph says: tests/unit/test_graph.py has all kinds of edits."""

import pytest
from studies import rerun, setting

pytestmark = pytest.mark.slow

EDITS = {
    "nothing": lambda config: None,
    "learning rate of the searched supernet": setting(
        "supernets", "gdas_toy", "training", {"epochs": 2, "batch_size": 8, "crop_padding": 1}
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_snakemake_reruns_what_the_graph_says(snakemake_study, name):
    before = snakemake_study.graph().jobs()
    with snakemake_study.edited() as config:
        EDITS[name](config)
        snakemake_study.write(config)
        expected = rerun(before, snakemake_study.graph().jobs())
        assert snakemake_study.planned() == expected
    assert bool(expected) == (name != "nothing")


def test_a_comment_and_a_new_picture(snakemake_study):
    path = snakemake_study.folder / "config.yaml"
    before = path.read_text(encoding="utf-8")
    path.write_text("# a comment\n" + before, encoding="utf-8")
    folder = snakemake_study.folder / "data" / "toy_images" / "class_0"
    try:
        assert snakemake_study.planned() == {}
        (folder / "added.png").write_bytes((folder / "000.png").read_bytes())
        planned = snakemake_study.planned()
    finally:
        path.write_text(before, encoding="utf-8")
        (folder / "added.png").unlink(missing_ok=True)
    assert (planned["dataset"], planned["train_supernet"]) == (1, 2)
