"""The second house computes what the first one did: the same tables and weights to the byte.

``tests/golden/first_house.json`` has the checksums of what commit 89152cb wrote for the tiny and
for the default study. Training rounds differently on another processor, so they hold on that one.
"""

import json
from pathlib import Path

import pytest

from hanas.core.compute import processor
from hanas.core.files import checksum

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "first_house.json").read_text())


def test_the_tiny_study_is_that_of_the_first_house(computed_study):
    if processor() != GOLDEN["processor"]:
        pytest.skip(f"the golden files were made on {GOLDEN['processor']}, this is {processor()}")
    results = computed_study.folder / "results"
    differing = [
        file for file, sha256 in GOLDEN["tiny"].items() if checksum(results / file) != sha256
    ]
    assert differing == []
