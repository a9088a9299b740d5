"""Results do not depend on cores, the order of jobs, the folder, or how Python hashes text.

On a GPU, training is not bit-reproducible: this is about the CPU, where a supernet's bits depend
on its own setting ``threads`` and on nothing else. What it is compared with was computed in one
process, without Snakemake.
"""

import pytest
from studies import differing, make_study, reproducible_bytes

pytestmark = pytest.mark.slow

TARGETS = ("results/tables/all.csv", "results/retrained/edgegpu_toy/metrics.parquet")


@pytest.mark.parametrize(("cores", "hash_seed"), [(1, "1"), (4, "31337")])
def test_another_folder_cores_and_hash_seed_give_the_same_bytes(
    computed_study, tmp_path, cores, hash_seed
):
    study = make_study(tmp_path / f"another place, {cores}" / "studie ä")
    study.run(*TARGETS, cores=cores, environment={"PYTHONHASHSEED": hash_seed})
    found = reproducible_bytes(study)
    assert "tables/all.csv" in found
    assert differing(found, computed_study) == []
