"""Accelerators that exist as descriptions: energy and cycles are added up over the layers.

Estimates by ZigZag, never measurements, and labelled so. Counted are convolutions, fully connected
layers, poolings and additions, one after the other, each with its input from outside and its
output back there. Left out are activations, normalisations that were not folded into a
convolution, and what only moves data, such as a channel shuffle.

Reference: L. Mei et al., "ZigZag: Enlarging Joint Architecture-Mapping Design Space Exploration
for DNN Accelerators", IEEE Transactions on Computers 70(8), 2021.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import yaml
from pydantic import Field

from hanas.core import extras, kept
from hanas.core.errors import InputError, one_line
from hanas.core.files import RESOURCES, digest
from hanas.core.settings import Positive
from hanas.deploy.onnx_models import Layer, layers
from hanas.devices._device import MeasuredDevice, ModelRefused, Timings

SHIPPED = RESOURCES / "accelerators"
#: Of ZigZag's own, those that compute in memory are left out: they want other layers.
ZIGZAGS_OWN = (
    *(f"{name}_like" for name in ("ascend", "edge_tpu", "eyeriss", "tesla_npu", "tpu")),
    "meta_prototype",
)
#: Raise it when the same layer on the same accelerator is estimated otherwise.
REVISION = 1
# What a layer does not fit in is tried, too: ZigZag shall not print all that it complains of.
logging.getLogger("zigzag").addHandler(logging.NullHandler())
logging.getLogger("zigzag").propagate = False
#: How many loops are ordered, and how many ways to lay a layer out on the array are tried.
_LOOPS, _LAYOUTS = 5, 3


#: Of each kind of layers, ZigZag's operator and equation. The addition's second map takes the place
#: of weights; a pooling has one weight a pixel.
_OPERATORS = {
    "convolution": ("Conv", "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]"),
    "pooling": ("Pooling", "O[b][g][oy][ox]+=W[fy][fx]*I[b][g][iy][ix]"),
    "addition": ("Add", "O[b][g][oy][ox]=W[b][g][oy][ox]+I[b][g][oy][ox]"),
}


class AnalyticDevice(MeasuredDevice):
    """An accelerator that exists as a description."""

    kind: Literal["analytic"] = Field(
        description="A model of an accelerator (ZigZag): an estimate, never a measurement."
    )
    quantises: ClassVar[bool] = True  # the description says how wide words are
    accelerator: str = Field(
        description="eyeriss, one of ZigZag's own (eyeriss_like, tpu_like, edge_tpu_like, "
        "tesla_npu_like, ascend_like, meta_prototype), or a YAML file of your own."
    )
    clock_mhz: Positive = Field(200, description="Clock that turns cycles into time.")

    def board_names(self) -> tuple[str, ...]:
        """Return the name of the accelerator with its clock."""
        return (f"{describe(self.accelerator).name} at {self.clock_mhz:g} MHz",)

    def conditions(self, board: str) -> dict[str, str | int]:
        """Return what an estimate depends on, apart from the model."""
        accelerator = describe(self.accelerator)
        return {
            "runtime": f"{zigzag()}, without activations and moves of data",
            "threads": 1,
            "precision": f"int{accelerator.bits}",
            "batch": self.measuring.batch,
            "accelerator": accelerator.digest,
            "revision": REVISION,
        }

    def measure(self, model: Path, board: str) -> Timings:
        """Add up the costs of an ONNX model's layers; ModelRefused where one does not fit."""
        try:
            found = layers(model)
        except InputError as error:
            raise ModelRefused(one_line(error)) from error
        if not found:
            raise ModelRefused("the model has no layer that is counted")
        accelerator, folder = describe(self.accelerator), user_cache()
        energy_pj = cycles = 0.0
        for layer, count in sorted(found.items()):
            of_one = cost(layer, accelerator, folder)
            energy_pj += count * of_one.energy_pj
            cycles += count * of_one.cycles
        milliseconds = cycles / self.clock_mhz / 1e3
        return Timings(np.array([milliseconds]), energy_mj=energy_pj / 1e9, estimate=True)


class Cost(NamedTuple):
    """What a layer costs: picojoules, and cycles of the accelerator's clock."""

    energy_pj: float
    cycles: float


@dataclass(frozen=True, eq=False)
class Description:
    """An accelerator: the width of its words, and what ZigZag reads."""

    name: str
    bits: int
    content: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Is different for accelerators that differ."""
        return digest([self.bits, self.content])


@cache
def describe(accelerator: str) -> Description:
    """Return a description; InputError where there is none, or ZigZag does not take it.

    ``accelerator`` is the name of a file in :data:`SHIPPED`, one of :data:`ZIGZAGS_OWN`, or the
    path of a YAML file in ZigZag's form, with ``bits``, the width of words, besides.
    """
    extras.require("zigzag", "analytic")
    path = _path(accelerator)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not readable as YAML: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected the description of an accelerator in ZigZag's form")
    bits = content.pop("bits", 8)  # ZigZag's own do not say it
    if not isinstance(bits, int) or isinstance(bits, bool) or bits < 1:
        raise InputError(f"{path}: bits is {bits!r}; expected the width of words")
    found = Description(path.stem, bits, content)
    try:
        _accelerator(found)
    except Exception as error:  # ZigZag's checks raise almost anything on what they do not expect
        raise InputError(f"{path}: ZigZag does not take it: {_said(error)}") from error
    return found


def zigzag() -> str:
    """Return name and version of what makes the estimates."""
    return f"zigzag-dse {version('zigzag-dse')}"


def cost(layer: Layer, accelerator: Description, folder: Path | None) -> Cost:
    """Return what a layer costs on an accelerator, where possible from what is kept in a folder.

    ModelRefused if the layer does not fit in any way that is tried.
    """
    if folder is None:
        return _cost(layer, accelerator)
    key = [REVISION, zigzag(), accelerator.digest, repr(layer)]
    file = kept.file_of(folder, key)
    record = kept.read(file, key)
    if record is not None:
        return Cost(**record)
    found = _cost(layer, accelerator)
    with contextlib.suppress(OSError):  # a folder that cannot be written costs time, nothing else
        kept.write(file, key, found._asdict())
    return found


def user_cache() -> Path | None:
    """Return the user's folder for what can be computed anew; None where there is no home."""
    with contextlib.suppress(RuntimeError):
        named = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(named) / "hanas" / "layers"
    return None


def _path(accelerator: str) -> Path:
    if Path(accelerator).suffix in (".yaml", ".yml"):
        return Path(accelerator).expanduser()
    if (own := SHIPPED / f"{accelerator}.yaml").is_file():
        return own
    if accelerator in ZIGZAGS_OWN:
        import zigzag

        return Path(zigzag.__file__).parent / "inputs" / "hardware" / f"{accelerator}.yaml"
    names = ", ".join(sorted([*(file.stem for file in SHIPPED.glob("*.yaml")), *ZIGZAGS_OWN]))
    raise InputError(f"accelerator: no {accelerator!r}; expected a YAML file or one of: {names}")


def _accelerator(description: Description):
    from zigzag.parser.accelerator_factory import AcceleratorFactory
    from zigzag.parser.accelerator_validator import AcceleratorValidator

    class Checked(AcceleratorValidator):
        def invalidate(self, extra_msg: str) -> None:
            raise ValueError(extra_msg)

    checked = Checked(dict(description.content))
    checked.validate()
    return AcceleratorFactory(checked.normalized_data).create()


@cache
def _cost(layer: Layer, accelerator: Description) -> Cost:
    """Try layouts that spread two loops over one side of the array, then those of one loop."""
    reason = ""
    for mixed in (True, False):
        try:
            found = _evaluate(layer, accelerator, mixed=mixed)
        except Exception as error:  # ZigZag raises almost anything where a layer does not fit
            reason = reason or _said(error)
        else:
            return Cost(float(found.energy_total), float(found.latency_total2))
    raise ModelRefused(f"{accelerator.name} cannot run a {layer}: {reason}")


def _evaluate(layer: Layer, accelerator: Description, *, mixed: bool):
    from zigzag.mapping.temporal_mapping import TemporalMappingType
    from zigzag.parser.mapping_validator import MappingValidator
    from zigzag.parser.workload_factory import WorkloadFactory
    from zigzag.parser.workload_validator import WorkloadValidator
    from zigzag.stages.evaluation.cost_model_evaluation import CostModelStage
    from zigzag.stages.main import MainStage
    from zigzag.stages.mapping.spatial_mapping_generation import SpatialMappingGeneratorStage
    from zigzag.stages.mapping.temporal_mapping_generator_stage import (
        TemporalMappingGeneratorStage,
    )
    from zigzag.stages.results.reduce_stages import MinimalLatencyStage
    from zigzag.stages.workload_iterator import WorkloadStage

    workload = WorkloadValidator([_as_workload(layer, accelerator.bits)])
    mapping = MappingValidator([{"name": "default"}])
    if not (workload.validate() and mapping.validate()):
        raise ValueError("not a layer to ZigZag")
    main = MainStage(
        [  # its own list, without those that write files
            *(WorkloadStage, MinimalLatencyStage),
            *(SpatialMappingGeneratorStage, MinimalLatencyStage),
            *(TemporalMappingGeneratorStage, CostModelStage),
        ],
        accelerator=_accelerator(accelerator),
        workload=WorkloadFactory(workload.normalized_data, mapping.normalized_data).create(),
        loma_lpf_limit=_LOOPS,
        loma_show_progress_bar=False,
        nb_mappings_generated=_LAYOUTS,
        enable_mix_spatial_mapping_generation=mixed,
        access_same_data_considered_as_no_access=True,
        temporal_mapping_type=TemporalMappingType("uneven"),
    )
    ((found, _),) = main.run()
    return found


def _as_workload(layer: Layer, bits: int) -> dict[str, Any]:
    """Return a layer in ZigZag's form."""
    operator, equation = _OPERATORS[layer.kind]
    (height, width), (rows, columns) = layer.side, layer.kernel
    sizes = {"B": layer.batch, "G": layer.groups, "OY": height, "OX": width}
    found: dict[str, Any] = {
        "id": 0,
        "name": layer.kind,
        "operator_type": operator,
        "equation": equation,
        "dimension_relations": [],
        "operand_precision": dict.fromkeys(("W", "I", "O", "O_final"), bits),
        "operand_source": {"I": 0, "W": 0},
    }
    if layer.kind != "addition":
        sizes |= {"FY": rows, "FX": columns}
        top, bottom, left, right = layer.padding
        found |= {
            "dimension_relations": [
                f"ix={layer.stride[1]}*ox+{layer.dilation[1]}*fx",
                f"iy={layer.stride[0]}*oy+{layer.dilation[0]}*fy",
            ],
            "pr_loop_dims": ["IX", "IY"],
            "pr_loop_sizes": [layer.side_before[1], layer.side_before[0]],
            "padding": [[left, right], [top, bottom]],
        }
    if layer.kind == "convolution":
        sizes |= {"K": layer.outputs, "C": layer.inputs}
    return found | {"loop_dims": list(sizes), "loop_sizes": list(sizes.values())}


def _said(error: Exception) -> str:
    return one_line(error).partition(" Please make sure")[0]
