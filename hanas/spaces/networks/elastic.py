"""Supernets of chains whose channels and depth are searched: members are slices of the largest.

The supernet holds the weights of the largest chain. A block of a member is the stand-alone block of
its sizes, applied with the leading slices of each weight; a stage of fewer layers leaves out its
last ones. So a stand-alone network with these slices computes the same, to the last bit.

Statistics of a batch are exact at every width: batch normalisation is ``batch`` or
``batch_affine``. Running ones would be those of a mixture of all widths.

References: Z. Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling",
ECCV 2020, section 3.4 (channels by slices); H. Cai et al., "Once-for-All: Train One Network and
Specialize it for Efficient Deployment", ICLR 2020 (depth by leaving out last layers).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from typing_extensions import override

from hanas.core.errors import InputError
from hanas.spaces._layerwise import ChainSettings, LayerwiseSpace
from hanas.spaces._space import Genes, Network
from hanas.spaces.networks.chain import ChainNetwork, block_of, modules
from hanas.spaces.networks.skeletons import plan, scaled


class Slice(nn.Module):
    """A module of a member: ``form``, without weights of its own, with slices of a larger one's."""

    def __init__(self, form: nn.Module, whole: nn.Module) -> None:
        super().__init__()
        self.form = form
        self._whole = (whole,)  # in a tuple, so that its weights are not this module's

    def weights(self) -> dict[str, Tensor]:
        """Return the slices by name, with which gradients reach the whole weights."""
        (whole,) = self._whole
        shapes = {name: weight.shape for name, weight in self.form.named_parameters()}
        return {name: sliced(whole.get_parameter(name), shape) for name, shape in shapes.items()}

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return functional_call(self.form, self.weights(), x)


def sliced(weight: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the leading part of a weight that has a shape, in the same memory format."""
    if weight.shape == torch.Size(shape):
        return weight
    return weight[tuple(map(slice, shape))].clone()


def stand_alone(module: nn.Module) -> nn.Module:
    """Return a module with weights of its own if it is a slice; any other as it is."""
    if not isinstance(module, Slice):
        return module
    made = copy.deepcopy(module.form)
    made.load_state_dict(
        {name: weight.detach() for name, weight in module.weights().items()}, assign=True
    )
    return made


class ElasticChainNetwork(ChainNetwork):
    """The supernet of a space whose channels or depth are searched.

    By names and shapes, its weights are those of a supernet of the largest chain.
    """

    def __init__(self, space: LayerwiseSpace, classes: int, settings: ChainSettings) -> None:
        if why := space.shared_problem(settings):
            raise InputError(why)
        skeleton = space.widened(settings.width)
        possible = [operations for stage in space.by_stage for operations in stage.possible]
        super().__init__(skeleton, [range(len(each)) for each in possible], classes, settings)
        self._skeleton, self._plan = skeleton, plan(skeleton, settings.resolution)
        self._stages = [*zip(space.by_stage, space.genes_of_stages, strict=True)]
        #: Stage of each gene.
        self._stage_of = [
            stage
            for stage, (_, where) in enumerate(self._stages)
            for _ in range(where.start, where.stop)
        ]
        self._nothing, self._slices = nn.Sequential(), {}

    @override
    def block(self, beginning: Sequence[int]) -> nn.Module:
        stage = self._stage_of[len(beginning) - 1]
        choices, where = self._stages[stage]
        number = len(beginning) - 1 - where.start - choices.before
        if number < 0:  # a gene of the whole stage
            return self._nothing
        if len(choices.layers) > 1:
            depth = choices.layers[beginning[where.start + choices.before - 1]]
            if number >= depth:
                return self._nothing
        layer = sum(of.most for of, _ in self._stages[:stage]) + number
        outputs = self._channels(stage, beginning)
        inputs = outputs if number else self._channels(stage - 1, beginning)
        return self._slice(layer, beginning[-1], inputs, outputs)

    @override
    def head_of(self, genes: Sequence[int]) -> nn.Module:
        whole, inputs = self._plan.last, self._channels(len(self._stages) - 1, genes)
        if inputs == whole.inputs:
            return self.head
        return self._kept(
            ("head", inputs),
            self.head,
            lambda: nn.Sequential(
                *modules([replace(whole, inputs=inputs)], self.settings.batch_norm)
            ),
        )

    def _channels(self, stage: int, genes: Sequence[int]) -> int:
        """Return the channels of a stage, or of what comes before the first."""
        if stage < 0:
            return self._plan.layers[0].inputs
        choices, where = self._stages[stage]
        several = len(choices.channels) > 1
        channels = choices.channels[genes[where.start] if several else 0]
        return scaled(channels, self.settings.width) if self.settings.width != 1 else channels

    def _slice(self, layer: int, operation: int, inputs: int, outputs: int) -> nn.Module:
        whole, place = self.layer(layer, operation), self._plan.layers[layer]
        if (inputs, outputs) == (place.inputs, place.outputs):
            return whole
        return self._kept(
            (layer, operation, inputs, outputs),
            whole,
            lambda: block_of(
                self._skeleton.operations[layer][operation],
                replace(place, inputs=inputs, outputs=outputs),
                self._skeleton.activation,
                self.settings.batch_norm,
            ),
        )

    def _kept(
        self, key: tuple[str | int, ...], whole: nn.Module, make: Callable[[], nn.Module]
    ) -> nn.Module:
        """Return the slice of a module that has the form which is made, always the same one."""
        if key not in self._slices:
            with torch.device("meta"):
                self._slices[key] = Slice(make().requires_grad_(requires_grad=False), whole)
        return self._slices[key]


def member_weights(
    space: LayerwiseSpace, weights: Mapping[str, Tensor], genes: Genes, network: Network
) -> dict[str, Tensor]:
    """Return the state dict of a stand-alone network with a copy of its part of a supernet's.

    ``weights`` is the state dict of a supernet with the settings ``network``.
    """
    classes = len(weights["classifier.bias"])
    with torch.device("meta"):
        alone = space.build(genes, classes, network)
    (there,) = space.chains(np.asarray(genes)[None]).there
    layers = np.flatnonzero(there).tolist()  # as the supernet numbers them
    found = {}
    for name, value in alone.state_dict().items():
        first, *rest = name.split(".")
        if first == "layers":
            rest[0] = str(layers[int(rest[0])])
        found[name] = sliced(weights[".".join([first, *rest])], value.shape).clone()
    return found
