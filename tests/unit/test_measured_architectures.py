import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest
from nb201_space import nb201
from some_devices import device
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.data.images import save_images
from hanas.deploy import onnx_models
from hanas.deploy.formats import FILES
from hanas.devices.measuring import models
from hanas.devices.measuring.measure import Model
from hanas.devices.measuring.models import IMAGES, trained, untrained
from hanas.spaces._space import Space
from hanas.spaces.networks import published

SMALL = {"nb201": {"channels": 4, "cells": 1}}


def network(space: str) -> dict:
    return SMALL.get(space, {"width": 0.25})


def some_archs(space: str) -> list[str]:
    module = plugins.space(space)
    return [module.to_text(module.largest), module.to_text(module.smallest)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "16.pt"
    save_images(toy_images(side=16), path)
    return path


def models_of(archs, pictures: Path, space: str = "nb201", kind: str = "host", **settings):
    given = {space: settings.pop("network", network(space))}
    chosen = device(kind, networks=given, **settings)
    of_space = chosen.networks[space]
    return untrained(archs, space=space, device=chosen, network=of_space, images=pictures)


def only(arch: str, pictures: Path, space: str = "nb201", **settings) -> Model:
    return models_of([arch], pictures, space, **settings)[arch]


@pytest.mark.parametrize(
    ("space", "precision"),
    [
        ("nb201", "int8"),
        *((space, "float32") for space in plugins.names("spaces")),
        *(
            pytest.param(space, "int8", marks=pytest.mark.slow)
            for space in plugins.names("spaces")
            if space != "nb201"
        ),
    ],
)
def test_every_space_gives_models_that_run(space, precision, pictures, tmp_path):
    archs = some_archs(space)
    if space == "mobile_i":  # they are the same whatever the space
        archs += published.NAMES[:1]
    made = models_of(archs, pictures, space, precision=precision, batch=2)
    assert list(made) == archs
    for number, (arch, model) in enumerate(made.items()):
        file = tmp_path / f"{number}.onnx"
        model.write(file)
        session = onnx_models.session(file)
        assert session.get_inputs()[0].shape == [2, 3, 16, 16]
        images = np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype(np.float32)
        (logits,) = session.run(None, {"images": images})
        assert logits.shape == (2, 3), arch
        assert np.isfinite(logits).all()
        kinds = {node.op_type for node in onnx.load(file).graph.node}
        assert ("QuantizeLinear" in kinds) is (precision == "int8")
        # Batch normalisation is folded or plain: no statistics of the batch at hand.
        assert "ReduceVar" not in kinds


def test_maps_have_numbers_of_usual_size_down_to_the_last_layer(pictures, tmp_path):
    space = plugins.space("mobile_i")
    arch = space.to_text(space.largest)
    file = tmp_path / "model.onnx"
    small = space.deployed.read({"width": 0.25})
    writer = models.Writer("mobile_i", device("host"), small, pictures)
    writer.write(arch, file)
    model = onnx.load(file)
    inner = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inner)
    onnx.save(model, file)
    maps = onnx_models.session(file).run(inner, {"images": writer.images[:1]})
    assert len(maps) > 50
    assert all(0.05 < np.abs(values).max() < 100 for values in maps)


def test_the_same_architecture_gives_the_same_bytes(pictures, tmp_path):
    arch = some_archs("nb201")[0]
    for name in ("one", "two"):
        only(arch, pictures).write(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "changed",
    [
        {"network": {"channels": 8, "cells": 1}},
        {"network": {"channels": 4, "cells": 1, "skeleton": "pooled"}},
        {"batch": 2},
        {"resolution": 8},
        {"precision": "int8"},
    ],
)
def test_models_that_differ_have_different_keys(changed, pictures):
    arch = some_archs("nb201")[0]
    assert only(arch, pictures).key == only(arch, pictures, passes=3).key
    assert only(arch, pictures).key != only(arch, pictures, **changed).key
    eight_bit = only(arch, pictures, precision="int8")
    assert eight_bit.key != only(arch, pictures, precision="int8", per_channel=False).key


def test_keys_differ_between_spaces_and_numbers_of_classes_but_not_with_the_pictures(
    pictures, tmp_path
):
    same, more, other = tmp_path / "same.pt", tmp_path / "more.pt", tmp_path / "other.pt"
    save_images(toy_images(side=16, images_each=12), same)
    save_images(toy_images(side=16, classes=4), more)
    save_images(toy_images(side=8), other)
    arch = some_archs("shuffle")[1]
    key = only(arch, pictures, "shuffle").key
    assert only(arch, same, "shuffle").key == key
    assert only(arch, more, "shuffle").key != key
    assert only(arch, other, "shuffle").key != key
    assert only(arch, pictures, "shuffle_i").key != key
    name = published.NAMES[0]
    assert only(name, pictures, "shuffle").key == only(name, pictures, "shuffle_i").key


def test_nothing_is_computed_before_a_model_is_written(pictures, monkeypatch):
    def refuse(*arguments, **named):
        raise AssertionError("not needed yet")

    monkeypatch.setattr(Space, "build", refuse)
    monkeypatch.setattr(models, "load_split", refuse)
    assert only(some_archs("nb201")[0], pictures).key


def test_batches_larger_than_the_training_images_can_be_made(pictures, tmp_path):
    only(some_archs("nb201")[0], pictures, batch=64, precision="int8").write(
        tmp_path / "model.onnx"
    )
    session = onnx_models.session(tmp_path / "model.onnx")
    assert session.get_inputs()[0].shape == [64, 3, 16, 16]
    assert IMAGES < 64


def test_a_meter_that_quantises_is_given_float32(pictures):
    arch = some_archs("nb201")[0]
    assert only(arch, pictures, kind="rknn", precision="int8").key == only(arch, pictures).key
    assert only(arch, pictures, precision="int8").key != only(arch, pictures).key


@pytest.mark.parametrize(
    ("arch", "space", "settings", "said"),
    [
        ("|a|", "nb201", {}, "not a cell of nb201"),
        ("resnet", "shuffle", {}, "resnet"),
        ("mobilenet_v2", "shuffle", {"resolution": 3}, "training.resolution|resolution"),
        (None, "nb201", {"precision": "int4"}, "precision is 'int4'"),
        (None, "nb201", {"batch": 0}, "batch is 0"),
        (None, "nb201", {"network": {"colour": 1}}, r"networks\.nb201\.colour"),
    ],
)
def test_wrong_settings_are_named(arch, space, settings, said, pictures, tmp_path):
    with pytest.raises(InputError, match=said):
        only(arch or some_archs(space)[0], pictures, space, **settings).write(
            tmp_path / "model.onnx"
        )


def test_trained_models_are_the_exported_ones_of_the_precision(pictures, tmp_path):
    """With the batch fixed; without a path from input to output nothing can run them."""
    import pandas as pd

    alone = nb201.to_text((3, 0, 0, 0, 0, 3))
    table = pd.DataFrame({"number": [1, 2], "arch": [some_archs("nb201")[0], alone]})
    for precision, file in FILES["onnx"].items():
        (tmp_path / "1").mkdir(exist_ok=True)
        made = only(table["arch"][0], pictures, precision=precision)
        made.write(tmp_path / "1" / file)
        chosen = device("host", precision=precision, batch=3)
        found = trained(table, tmp_path, chosen, "nb201")
        assert [model.infeasible is None for model in found.values()] == [True, False]
        next(iter(found.values())).write(tmp_path / "fixed.onnx")
        fixed, exported = (onnx.load(f) for f in (tmp_path / "fixed.onnx", tmp_path / "1" / file))
        assert fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 3
        assert fixed.graph.node == exported.graph.node


#: The ways through a cell of nb201, by genes: its edges are 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2.
WAYS = ({3}, {0, 4}, {1, 5}, {0, 2, 5})


def has_path(genes) -> bool:
    return any(all(genes[edge] for edge in way) for way in WAYS)  # 0 is `none`


def test_exactly_the_341_cells_without_a_path_are_refused():
    assert nb201.to_text((0, 1, 2, 3, 4, 0)).startswith("|none~0|")
    said = {tuple(g): models.infeasible(nb201.to_text(g), "nb201") for g in nb201.all_genes()}
    refused = {genes for genes, reason in said.items() if reason}
    assert refused == {genes for genes in said if not has_path(genes)}
    assert (len(said), len(refused)) == (15_625, 341)
    assert {said[genes] for genes in refused} == {
        "no path leads from its input to its output, so that its file has no input"
    }


@pytest.mark.slow
def test_files_without_an_input_are_those_of_refused_cells(tmp_path):
    """Every set of edges that are `none`, with some operations on the others."""
    rng = np.random.default_rng(0)
    settings = nb201.deployed.read({"channels": 4, "cells": 1, "skeleton": "pooled"})
    for kept in itertools.product((0, 1), repeat=6):
        genes = np.array(kept) * rng.integers(1, 5, size=6)
        built = nb201.build(genes, 3, settings)
        onnx_models.export(built, tmp_path / "model.onnx", resolution=8, batch=1)
        inputs = onnx.load(tmp_path / "model.onnx").graph.input
        assert len(inputs) == has_path(genes), genes
