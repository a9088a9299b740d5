"""Layer-wise spaces that are declared: genes, texts, counts, costs, and what is refused."""

import copy
import math
import re
import warnings
from datetime import date

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import TINY
from torch import nn

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.devices._device import MeasuredDevice
from hanas.devices.prediction.features import Features
from hanas.proxies.depth import Depth
from hanas.spaces._stage_features import StageFeatures
from hanas.spaces.kinds.layerwise import Layerwise
from hanas.spaces.networks.skeletons import plan
from hanas.study import checks

#: The example of docs/spaces.md.
MINE = {
    "kind": "layerwise",
    "stem": 16,
    "stages": [
        {"channels": 24, "layers": 2, "stride": 1},
        {"channels": [32, 40, 48], "layers": [2, 3, 4], "stride": 2},
        {
            **{"channels": [64, 96], "layers": [2, 3, 4], "stride": 2},
            "operations": ["mb6_5x5_se", "fused_mb4_3x3", "identity"],
        },
    ],
    "operations": ["mb3_3x3", "mb6_5x5", "separable_5x5", "identity"],
    "last": 256,
}
OPERATIONS = ["mb2_3x3", "separable_5x5", "max_pool_3x3", "shuffle_3x3", "conv_3x3_g2", "identity"]


@st.composite
def declarations(draw, most_layers=3):
    """Draw small declarations of all forms."""
    channels = st.sets(st.integers(2, 12).map(lambda half: 2 * half), min_size=1, max_size=3)
    layers = st.sets(st.integers(1, most_layers), min_size=1, max_size=2)
    operations = st.lists(st.sampled_from(OPERATIONS), min_size=2, max_size=3, unique=True)
    sorted_list = lambda values: sorted(values)  # noqa: E731
    stage = st.fixed_dictionaries(
        {"channels": channels.map(sorted_list), "layers": layers.map(sorted_list)},
        optional={"stride": st.sampled_from([1, 2]), "operations": operations},
    )
    stages = draw(st.lists(stage, min_size=1, max_size=3))
    needed = not all("operations" in one for one in stages)
    return {
        **{"kind": "layerwise", "stem": 8, "last": 16, "stages": stages},
        **({"operations": draw(operations)} if needed else {}),
        "identity": draw(st.sampled_from(["keeps", "projects"])),
    }


def made(declaration: dict):
    return Layerwise.read(declaration).space("mine")


def drawn_space(declaration: dict):
    try:
        return made(declaration)
    except InputError as error:  # what is drawn may have no choices at all
        if "one network only" not in str(error):
            raise
        return None


def counted(network: nn.Module, side: int) -> tuple[int, int]:
    """Return the parameters of a network, and its multiply-accumulates as they happen."""
    total = 0

    def add(module, inputs, output):
        nonlocal total
        each = module.weight[0].numel() if isinstance(module, nn.Conv2d) else module.in_features
        total += output[0].numel() * each

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(add)
    with torch.no_grad():
        network.eval()(torch.zeros(2, 3, side, side))  # of one, maps of a pixel have no variance
    return sum(weight.numel() for weight in network.parameters()), total


def test_the_example_of_the_docs():
    space = made(MINE)
    assert space.choices == (3, 4, 3, 3, 3, 4, 4, 4, 2, 3, 2, 3, 3, 3)
    # Of stage 1: 3 x 4; of stage 2: 3 x (3 x 4 + 3 x 4^2 + 3 x 4^3); of stage 3: 2 x (6 + 18 + 54).
    assert space.count == 12 * 3 * 252 * 2 * 78 == 1_415_232
    assert not space.enumerable
    assert space.options(2) == ("32", "40", "48")
    assert space.place(2) == "channels of stage 2"
    assert space.options(9) == ("2", "3", "4")
    assert space.place(9) == "layers of stage 3"
    assert space.options(10) == ("mb6_5x5_se", "fused_mb4_3x3")
    assert space.place(10) == "layer 7 (number 1 of stage 3)"
    text = "|mb3_3x3|identity|+40:|mb6_5x5|separable_5x5|identity|+96:|mb6_5x5_se|identity|"
    genes = space.from_text(text)
    assert genes.tolist() == [0, 3, 1, 1, 1, 2, 3, 0, 1, 0, 0, 2, 0, 0]
    assert space.to_text(genes) == text
    genes[7] = 3  # a layer that is left out
    assert space.to_text(genes) == text
    skeleton = space.skeleton_of(genes)
    assert [(stage.channels, stage.layers) for stage in skeleton.stages] == [
        (24, 2),
        (40, 3),
        (96, 2),
    ]
    names = [operation.name for operation in space.operations_of(genes)]
    assert names == text.replace("+", "").replace("40:", "").replace("96:", "")[1:-1].replace(
        "||", "|"
    ).split("|")


@settings(max_examples=40, deadline=None)
@given(declarations(most_layers=2))
def test_all_architectures_are_listed_once(declaration):
    space = drawn_space(declaration)
    if space is None or space.count > 3000:
        return
    genes = space.all_genes()
    assert len(genes) == space.count == len(np.unique(genes, axis=0))
    assert (space.tidy(genes) == genes).all()
    assert space.index_of(genes).tolist() == list(range(space.count))
    texts = space.all_texts()
    assert len(set(texts)) == space.count
    assert (np.array([space.from_text(text) for text in texts]) == genes).all()
    every = np.stack(np.unravel_index(np.arange(math.prod(space.choices)), space.choices), axis=1)
    assert len(np.unique(space.tidy(every), axis=0)) == space.count
    params = space.params(genes)
    assert space.params(np.array([space.largest]))[0] == params.max()
    assert space.params(np.array([space.smallest]))[0] == params.min()
    assert (space.params(every[::7]) == space.params(space.tidy(every[::7]))).all()


@settings(max_examples=15, deadline=None)
@given(declarations(), st.sampled_from([1, 0.5, 1.5]), st.sampled_from([8, 16]), st.integers(0, 99))
def test_counts_are_those_of_the_modules(declaration, width, side, seed):
    space = drawn_space(declaration)
    if space is None:
        return
    network = {"width": width, "resolution": side}
    genes = space.sample(1, np.random.default_rng(seed))
    alone = space.build(genes[0], 3, {**network, "batch_norm": "batch_affine"})
    params, flops = (count(genes, 3, network=network)[0] for count in (space.params, space.flops))
    assert counted(alone, side) == (params, flops)


@settings(max_examples=15, deadline=None)
@given(declarations())
def test_depth_and_features_see_layers_that_are_left_out(declaration):
    space = drawn_space(declaration)
    if space is None:
        return
    genes = space.sample(20, np.random.default_rng(0))
    names = [space.to_text(row).replace("+", "|").split("|") for row in genes]
    layers = [sum("_" in name for name in row) for row in names]
    assert Depth.read({"kind": "depth", "space": "shuffle_i"}).count(space, genes).tolist() == [
        -count for count in layers
    ]
    noise = np.random.default_rng(1).integers(0, space.choices, size=genes.shape)
    other = np.where(space.used(genes), genes, noise)
    features = StageFeatures(space)
    np.testing.assert_array_equal(features(genes), features(other))
    chains = space.chains(genes)
    assert (space.numbers(other) == space.numbers(genes)).all()
    assert ((space.numbers(genes) < len(space.operations)) == chains.there).all()


@pytest.mark.parametrize(
    ("stages", "rest", "params", "flops"),
    [  # of torchvision 0.29.1, counted in its modules as they run on 224x224 pixels
        (
            [
                *[(24, 2, "mb6_3x3", 2), (32, 3, "mb6_3x3", 2), (64, 4, "mb6_3x3", 2)],
                *[(96, 3, "mb6_3x3", 1), (160, 3, "mb6_3x3", 2), (320, 1, "mb6_3x3", 1)],
            ],
            {"stem": {"channels": 32, "stride": 2}, "first": {"channels": 16}, "last": 1280},
            3_504_872,
            300_774_272,
        ),
        (
            [
                *[(24, 2, "mb6_3x3_se", 2), (40, 2, "mb6_5x5_se", 2), (80, 3, "mb6_3x3_se", 2)],
                *[(112, 3, "mb6_5x5_se", 1), (192, 4, "mb6_5x5_se", 2), (320, 1, "mb6_3x3_se", 1)],
            ],
            {
                **{"stem": {"channels": 32, "stride": 2}, "last": 1280, "activation": "silu"},
                "first": {"operation": "mb1_3x3_se", "channels": 16},
            },
            5_288_548,
            385_814_752,
        ),
        (
            [(116, 4, "shuffle_3x3", 2), (232, 8, "shuffle_3x3", 2), (464, 4, "shuffle_3x3", 2)],
            {"stem": {"channels": 24, "stride": 2}, "max_pool": True, "last": 1024},
            2_278_604,
            144_907_992,
        ),
    ],
    ids=["mobilenet_v2", "efficientnet_b0", "shufflenet_v2_x1_0"],
)
def test_published_networks_are_members_of_declared_spaces(stages, rest, params, flops):
    each = [
        {"channels": channels, "layers": layers, "stride": stride, "operations": [name, "conv_3x3"]}
        for channels, layers, name, stride in stages
    ]
    space = made({"kind": "layerwise", "stages": each, **rest})
    published = np.zeros((1, len(space.choices)), dtype=int)
    assert space.params(published, 1000).tolist() == [params]
    assert space.flops(published, 1000, 224).tolist() == [flops]


def changed(change) -> dict:
    declaration = copy.deepcopy(MINE)
    change(declaration)
    return declaration


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda d: d["stages"][1].update(channels=[48, 32]),
            r"stages\.1\.channels is \[48, 32\]; e.*\[32, 48\]",
        ),
        (lambda d: d["stages"][1].update(layers=[2, 2, 3]), r"stages\.1\.layers is \[2, 2, 3\]"),
        (
            lambda d: d["stages"][0].update(layers=0),
            r"stages\.0\.layers\.0 is 0; expected at least 1",
        ),
        (lambda d: d["operations"].append("mb3_3x3"), "operations holds 'mb3_3x3' twice"),
        (lambda d: d["operations"].append("mb3_4x4"), r"operations\.4: 'mb3_4x4'.*KIND_KxK"),
        (
            lambda d: d["operations"].append("conv_3x3_g5"),
            r"stages\.0: .*5 groups.*16 = 3 x 5 \+ 1",
        ),
        (
            lambda d: d["stages"][1].update(
                channels=[32, 35], operations=["shuffle_3x3", "mb3_3x3"]
            ),
            r"stages\.1: shuffle_3x3 halves the channels, which are 35",
        ),
        (lambda d: d["stages"][2].update(operations="identity"), r"stages\.2: its only operation"),
        (lambda d: d.pop("operations"), r"stages\.0: no operations"),
        (
            lambda d: [stage.update(operations=["mb3_3x3", "mb6_3x3"]) for stage in d["stages"]],
            "operations is of no use, since every stage has operations of its own",
        ),
        (
            lambda d: d["stages"][0].update(channels=24.5),
            r"0\.channels\.0 is 24\.5; .* whole number",
        ),
        (lambda d: d.update(text="digits"), "text is digits"),
        (lambda d: d.update(first={"operation": "identity", "channels": 8}), r"first: .*16 to 8"),
        (
            lambda d: d.update(stages=[{"channels": 8, "layers": 2}], operations="mb3_3x3"),
            "one network only, .* give a list somewhere$",
        ),
        (
            lambda d: (
                d["stages"].__setitem__(slice(None), [{"channels": 8, "layers": 1}])
                or d.update(operations=["mb3_3x3", "identity"])
            ),
            r"one network only, .* \(identity is no choice of a stage's first layer",
        ),
        (lambda d: d["stages"][0].update(width=2), r"stages\.0\.width: no such setting"),
        (lambda d: d.update(stem="16"), r"stem is '16'; expected its channels, a whole number, or"),
        (
            lambda d: d["stages"][0].update(channels="24"),
            r"channels\.0 is '24'.*in quotes it is text; write 24\)",
        ),
        (lambda d: d["operations"].append(3), r"operations\.4 is 3; expected text$"),
        (lambda d: d["stages"][0].update({3: 2}), r"stages\.0\.3: no such setting"),
        (lambda d: d.update({date(2026, 1, 1): 2}), "2026, 1, 1.*: no such setting"),
    ],
)
def test_bad_declarations_are_refused(change, said):
    with pytest.raises(InputError, match=said):
        Layerwise.read(changed(change))


def test_strides_have_to_divide_the_images():
    space = made(MINE)
    assert space.for_images({}, (20, 20), None, "images").resolution == 20
    with pytest.raises(
        InputError, match="they are 15x15 before stage 3 of mine, whose stride of 2 does"
    ):
        space.for_images({}, (30, 30), None, "images")


def test_strides_that_are_not_given_leave_enough_of_the_image():
    given = changed(lambda d: [stage.pop("stride") for stage in d["stages"]])
    space = made(given)
    small, large = (space.flops(np.array([space.largest]), 10, side)[0] for side in (8, 64))
    # 8x8: the last stage halves, to 4x4; 64x64: all four places do, to 4x4.
    last = 96 * 256 * 4 * 4
    skeleton = space.widened(1)
    assert plan(skeleton, 8).last.side == plan(skeleton, 64).last.side == 4
    assert plan(skeleton, 8).stem.stride == 1
    assert plan(skeleton, 64).stem.stride == 2
    assert small > last
    assert large > small


def test_texts_that_are_none():
    space = made(MINE)
    good = "|mb3_3x3|identity|+40:|mb6_5x5|identity|+96:|mb6_5x5_se|identity|"
    space.from_text(good)
    for text, said in [
        (good.replace("40:", ""), "expected 3 stages, joined by +, of 2, 2 or 3 or 4, 2 or 3 or 4"),
        (good.replace("40:", "41:"), "channels of stage 2 of .*: 41; expected one of: 32, 40, 48"),
        (good.replace("+96:|mb6_5x5_se|identity|", ""), "not an architecture of mine"),
        (good.replace("mb6_5x5|", "mb6_5x5_se|"), "layer 3 .*unknown operation 'mb6_5x5_se'"),
        (good.replace("40:|mb6_5x5|", "40:|identity|"), "layer 3 .*identity cannot be there"),
        (good.replace("|identity|+40", "|identity|mb3_3x3|+40"), "not an architecture of mine"),
    ]:
        with pytest.raises(InputError, match=said.replace("+", r"\+")):
            space.from_text(text)


def test_a_study_cannot_give_a_shipped_name_to_its_space(monkeypatch):
    monkeypatch.setenv(plugins.SPACES_VARIABLE, "{}")
    with pytest.raises(InputError, match="spaces: a space 'shuffle' is there already"):
        checks.read({**TINY, "spaces": {"shuffle": MINE}}, "mine.yaml")


@pytest.mark.parametrize(
    ("spaces", "said"),
    [
        ({7: MINE, "mine": MINE}, "spaces: 7 is no name"),
        ({True: MINE, "mine": MINE}, "spaces: True is no name"),
        ({"my-space": MINE}, "spaces: 'my-space' is no name"),
        ({"mine": {**MINE, "stem": date(2026, 1, 1)}}, "spaces.mine.stem is datetime.date"),
        ({"m" * 101: MINE}, "is no name; names are text of up to 100 letters, digits and _"),
        ({"next": {"kind": "lens", "task": "toy"}}, "spaces.next: 'from' is missing"),
    ],
)
def test_names_and_keys_that_yaml_reads_as_no_text(spaces, said, monkeypatch):
    monkeypatch.setenv(plugins.SPACES_VARIABLE, "{}")
    with pytest.raises(InputError, match=re.escape(said)):
        checks.read({**TINY, "spaces": spaces}, "mine.yaml")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"proxies": {"own": {"kind": "learned", "space": "mine", "trainings": {}}}},
            "proxies.own.trainings: datasets.toy: images of 10x10 pixels; they are 5x5 before "
            "stage 3 of mine, whose stride of 2 does not divide 5",
        ),
        (
            {"devices": {"board": {"kind": "host", "resolution": 5}}},
            "devices.board: resolution: images of 5x5 pixels; they are 5x5 before stage 2 of mine",
        ),
        ({"devices": {"macs": {"kind": "ideal"}}}, "macs: has numbers of listed architectures"),
        (
            {"proxies": {"own": {"kind": "synflow", "space": "mine"}}},
            "expected one of kind depth, ensemble, flops, fused, learned, params, supernet for "
            "space 'mine', which holds 1.4e+6 of them",
        ),
        (
            {"benchmarks": {"cells": {"toy": {"kind": "surrogate", "dataset": "cifar10"}}}},
            "benchmarks.cells.toy.kind is 'surrogate', which knows space 'nb201' alone",
        ),
        (
            {
                "tasks": {"toy": {"dataset": "toy", "space": "cells", "proxies": ["of_cells"]}},
                "devices": TINY["devices"],
            },
            "devices.edgegpu.kind is 'surrogate', which knows space 'nb201' alone, not 'cells'",
        ),
    ],
)
def test_what_a_study_cannot_have_in_its_own_spaces(changed, said, monkeypatch):
    monkeypatch.setenv(plugins.SPACES_VARIABLE, "{}")
    cells = {"kind": "cell", "nodes": 3, "operations": ["none", "skip_connect", "nor_conv_3x3"]}
    study = {
        "spaces": {"mine": MINE, "cells": cells},
        "datasets": {"toy": {**TINY["datasets"]["toy"], "resolution": 10}},
        "devices": {"board": {"kind": "host"}},
        "proxies": {"own": {"kind": "params", "space": "mine"}},
        "tasks": {"toy": {"dataset": "toy", "space": "mine", "proxies": ["own"]}},
        "searches": {"random": TINY["searches"]["random"]},
    }
    of_cells = {"of_cells": {"kind": "params", "space": "cells"}}
    proxies = {**changed.get("proxies", study["proxies"]), **of_cells}
    with pytest.raises(InputError, match=re.escape(said)):
        checks.read({**study, **changed, "proxies": proxies}, "mine.yaml")


@pytest.mark.parametrize("name", ["_mine", "copy", "model_config", "params", "json"])
def test_any_name_of_letters_can_be_that_of_a_space(name, monkeypatch):
    monkeypatch.setenv(plugins.SPACES_VARIABLE, "{}")
    host = {"kind": "host", "networks": {name: {"width": 0.5}}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = checks.read(
            {**TINY, "spaces": {name: MINE}, "devices": {**TINY["devices"], "host": host}},
            "mine.yaml",
        )
    device = study.devices["host"]
    assert isinstance(device, MeasuredDevice)
    assert device.networks[name].params()["width"] == 0.5
    assert device.networks["shuffle"].params()["width"] == 1
    assert plugins.space(name).count == 1_415_232


def test_a_file_that_is_no_declaration_is_named(tmp_path, monkeypatch):
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces" / "mine.yaml").write_text("kind: layerwise\nstem: 8\nstages: 3\nlast: 8\n")
    monkeypatch.setenv(plugins.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match=r"mine\.yaml\.stages is 3; expected a list"):
        plugins.space("mine")


def test_what_is_kept_is_not_taken_for_that_of_an_edited_declaration(tmp_path, monkeypatch):
    monkeypatch.setenv(plugins.SPACES_VARIABLE, "{}")
    assert plugins.declared("shuffle") == {}
    features = []
    for last in (64, 128):
        plugins.declare({"mine": {**MINE, "stem": last}})
        assert plugins.declared("mine")["declared"]["stem"] == last
        genes = np.array([plugins.space("mine").largest])
        features.append(Features.of("mine", None).groups(genes)[0])
    assert not np.allclose(*features)
