"""Operations of a layer: their names, what each is made of, and what that costs. Without PyTorch.

One rule for names: ``identity``, or ``KIND_KxK`` with an odd kernel K, then what is other than
usual, in this order: ``_gN`` (N groups), ``_dN`` (dilation N), ``_se`` (squeeze and excitation).

==================== ============================================================= ===============
name                 what it is                                                    may have
==================== ============================================================= ===============
``conv_KxK``         convolution, activation; ``conv_1x1`` is pointwise            ``_gN`` ``_dN``
``depthwise_KxK``    each channel by itself, activation; then as pooling           ``_dN``
``separable_KxK``    depthwise, activation, pointwise, activation (MobileNetV1)    ``_dN``
``mbE_KxK``          inverted bottleneck, E times the channels inside              ``_gN _dN _se``
                     (MobileNetV2); with groups FBNet's: both 1x1 convolutions
                     have them, a channel shuffle follows the first
``fused_mbE_KxK``    the same with one KxK convolution for the first two           ``_se``
                     (EfficientNetV2); of E = 1, that one alone
``shuffle_KxK``      ShuffleNetV2's unit
``xception_KxK``     its form with three depthwise convolutions (SPOS)
``max_pool_KxK``     pooling changes no channels: where these change, a 1x1
``avg_pool_KxK``     convolution without activation follows
``identity``         nothing; where the shape changes, a 1x1 convolution without
                     activation if the space says so, else it cannot be there
==================== ============================================================= ===============

Every convolution is followed by batch normalisation. What comes in is added where a bottleneck,
fused or not, keeps size and channels; to nothing else. Squeeze and excitation is EfficientNet's, to
a quarter of the block's inputs; it stands before the last convolution.

References: A. Howard et al., "MobileNets", 2017; M. Sandler et al., "MobileNetV2", CVPR 2018; N. Ma
et al., "ShuffleNet V2", ECCV 2018; B. Wu et al., "FBNet", CVPR 2019; M. Tan and Q. Le,
"EfficientNet", ICML 2019, and "EfficientNetV2", ICML 2021; Z. Guo et al., "Single Path One-Shot
Neural Architecture Search with Uniform Sampling", ECCV 2020.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from hanas.core.errors import InputError


@dataclass(frozen=True)
class Operation:
    """One of the choices of a layer, named as in canonical texts.

    ``kernel`` is the side of its largest kernel, ``expansion`` how many times the channels are
    inside, ``squeeze`` whether it has squeeze and excitation.
    """

    name: str
    kind: str
    kernel: int = 0
    expansion: int = 0
    groups: int = 1
    dilation: int = 1
    squeeze: bool = False


IDENTITY = Operation("identity", "identity")


@dataclass(frozen=True)
class _Kind:
    """A kind of operations as names have it: what it is here, and the options that it may have."""

    name: str
    options: str = ""
    has_expansion: bool = False
    smallest: int = 3


_KINDS = {
    "conv": _Kind("convolution", "gd", smallest=1),
    "depthwise": _Kind("depthwise", "d"),
    "separable": _Kind("separable", "d"),
    "mb": _Kind("bottleneck", "gds", has_expansion=True),
    "fused_mb": _Kind("fused", "s", has_expansion=True),
    "shuffle": _Kind("shuffle"),
    "xception": _Kind("xception"),
    "max_pool": _Kind("max_pool"),
    "avg_pool": _Kind("avg_pool"),
}
RULE = (
    "identity, or KIND_KxK with an odd kernel K below 100, then in this order _gN (groups), _dN "
    "(dilation), _se (squeeze and excitation), N from 2 to 99; KIND is conv (may have _gN, _dN), "
    "depthwise (_dN), separable (_dN), mbE (_gN, _dN, _se; E from 1 to 99 times the channels "
    "inside), fused_mbE (_se), shuffle, xception, max_pool or avg_pool: such as conv_3x3, "
    "mb6_5x5_se"
)
_NUMBER = "[1-9][0-9]?"
_NAME = re.compile(
    rf"(?P<kind>[a-z_]+?)(?P<expansion>{_NUMBER})?_(?P<kernel>{_NUMBER})x(?P=kernel)"
    rf"(_g(?P<g>{_NUMBER}))?(_d(?P<d>{_NUMBER}))?(?P<s>_se)?",
    re.ASCII,
)


@cache
def operation(name: str) -> Operation:
    """Return the operation of a name; InputError, which states the rule, if it is none.

    >>> operation("mb6_5x5_se")
    Operation(name='mb6_5x5_se', kind='bottleneck', kernel=5, expansion=6, groups=1, dilation=1, \
squeeze=True)
    """
    if name == IDENTITY.name:
        return IDENTITY
    found = _NAME.fullmatch(name)
    kind = found and _KINDS.get(found["kind"])
    if not found or not kind:
        raise _no_operation(name, "")
    kernel = int(found["kernel"])
    if kernel % 2 == 0 or kernel < kind.smallest:
        raise _no_operation(name, f" its kernel is {kernel}, the least here is {kind.smallest};")
    if bool(found["expansion"]) != kind.has_expansion:
        said = "no expansion" if kind.has_expansion else "an expansion"
        raise _no_operation(name, f" it has {said};")
    for option in "gds":
        if found[option] and option not in kind.options:
            raise _no_operation(name, f" {found['kind']} has no _{option}{'e' * (option == 's')};")
    if "1" in (found["g"], found["d"]) or (found["d"] and kernel == 1):
        raise _no_operation(name, " leave out groups or a dilation that change nothing;")
    return Operation(
        name,
        kind.name,
        kernel,
        int(found["expansion"] or 0),
        int(found["g"] or 1),
        int(found["d"] or 1),
        bool(found["s"]),
    )


def _no_operation(name: str, why: str) -> InputError:
    return InputError(f"{name!r} is no operation:{why} expected {RULE}")


@dataclass(frozen=True)
class Place:
    """Where a block stands: channels before and after it, stride, side of the map before it.

    The ``first`` layer of a stage is no identity, and has ShuffleNetV2's unit with two branches.
    """

    inputs: int
    outputs: int
    stride: int
    side: int
    first: bool = False

    @property
    def side_after(self) -> int:
        """Side of the map after the block."""
        return -(-self.side // self.stride)

    @property
    def keeps_shape(self) -> bool:
        """Whether a map has the same shape before and after the block."""
        return self.stride == 1 and self.inputs == self.outputs

    def next(self, channels: int, stride: int = 1, *, first: bool = False) -> Place:
        """Return the place after this one."""
        return Place(self.outputs, channels, stride, self.side_after, first)


def refusal(operation: Operation, place: Place, *, identity_projects: bool) -> str | None:
    """Return why an operation cannot stand at a place, with the arithmetic; None if it can."""
    inputs, outputs = place.inputs, place.outputs
    if operation.kind == "identity" and not (identity_projects or place.keeps_shape):
        changed = f"stride {place.stride}" if inputs == outputs else f"{inputs} to {outputs}"
        return f"identity cannot change the shape ({changed})"
    for channels, where in ((inputs, "come in"), (outputs, "go out")):
        if channels % operation.groups:
            rest = f"{channels} = {channels // operation.groups} x {operation.groups} + "
            return (
                f"{operation.name} has {operation.groups} groups, which do not divide the "
                f"{channels} channels that {where} ({rest}{channels % operation.groups})"
            )
    if operation.kind in ("shuffle", "xception"):
        for channels in (outputs,) if place.first else (inputs, outputs):
            if channels % 2:
                return f"{operation.name} halves the channels, which are {channels}, an odd number"
    return None


@dataclass(frozen=True)
class Convolution:
    """A convolution that keeps the size (over ``stride``), BN or a bias, activation."""

    inputs: int
    outputs: int
    kernel: int
    side: int
    stride: int = 1
    groups: int = 1
    activation: str | None = None
    biased: bool = False
    dilation: int = 1

    def costs(self) -> np.ndarray:
        """Return parameters, with affine BN or a bias, and multiply-accumulates, int64 (2,)."""
        weights = self.inputs // self.groups * self.outputs * self.kernel**2
        pixels = (-(-self.side // self.stride)) ** 2
        return np.array([weights + self.outputs * (1 if self.biased else 2), weights * pixels])


@dataclass(frozen=True)
class SqueezeExcitation:
    """Weights of channels from their means, through a bottleneck of ``squeezed`` channels."""

    channels: int
    squeezed: int
    activation: str

    @property
    def convolutions(self) -> tuple[Convolution, Convolution]:
        """Its 1x1 convolutions of the means."""
        there = Convolution(self.channels, self.squeezed, 1, 1, biased=True)
        return there, Convolution(self.squeezed, self.channels, 1, 1, biased=True)

    def costs(self) -> np.ndarray:
        """Return parameters and multiply-accumulates, int64 (2,)."""
        there, back = self.convolutions
        return there.costs() + back.costs()


@dataclass(frozen=True)
class Free:
    """What has no parameters and multiplies nothing: ``max_pool``, ``avg_pool`` or ``mix``.

    To mix channels is to take them from so many ``groups`` in turn.
    """

    kind: str
    kernel: int = 1
    stride: int = 1
    groups: int = 1

    def costs(self) -> np.ndarray:
        """Return zeros, int64 (2,)."""
        return np.zeros(2, dtype=np.int64)


Part = Convolution | SqueezeExcitation | Free


@dataclass(frozen=True)
class Block:
    """What an operation is made of at a place.

    ``parts`` follow each other, and their result is added to the input where ``adds``. Of a unit of
    ShuffleNetV2 they make the new half of the channels; the other half is made by ``other``, or is
    half of the input where that is None.
    """

    parts: tuple[Part, ...]
    adds: bool = False
    other: tuple[Part, ...] | None = None

    def costs(self) -> np.ndarray:
        """Return parameters, with affine BN, and multiply-accumulates, int64 (2,)."""
        each = (part.costs() for part in (*self.parts, *(self.other or ())))
        return sum(each, np.zeros(2, dtype=np.int64))


def block(operation: Operation, place: Place, activation: str) -> Block:
    """Return what an operation is made of; ``activation`` is that of all but ShuffleNetV2.

    InputError if it cannot stand there, an identity with a projection.
    """
    if why := refusal(operation, place, identity_projects=True):
        raise InputError(why)
    match operation.kind:
        case "shuffle" | "xception":
            entry = tuple(_shuffle_entry(operation, place))
            parts = tuple(_shuffle_branch(operation, place))
            return Block(parts, other=entry if place.first else None)
        case "bottleneck" | "fused":
            first = _expansion if operation.kind == "bottleneck" else _fused_expansion
            parts = [*first(operation, place, activation)]
            if operation.squeeze:
                # To a quarter of the block's inputs, before its last convolution.
                inner = place.inputs * operation.expansion
                squeezed = SqueezeExcitation(inner, max(1, place.inputs // 4), activation)
                parts.insert(-1, squeezed)
            return Block(tuple(parts), adds=place.keeps_shape)
        case "identity":
            return Block(() if place.keeps_shape else (_projection(place),))
        case _:
            return Block(tuple(_plain(operation, place, activation)))


def _depthwise(
    channels: int, operation: Operation, place: Place, activation: str | None = None
) -> Convolution:
    """Return a convolution of each channel by itself, at the stride of a place."""
    how = (channels, channels, operation.kernel, place.side, place.stride, channels)
    return Convolution(*how, activation, dilation=operation.dilation)


def _projection(place: Place) -> Convolution:
    return Convolution(place.inputs, place.outputs, 1, place.side, place.stride)


def _plain(operation: Operation, place: Place, activation: str) -> Iterator[Part]:
    """Yield the parts of what is a chain of them."""
    size, after = (place.inputs, place.outputs), place.side_after
    kernel, stride = operation.kernel, place.stride
    if operation.kind == "convolution":
        how = (kernel, place.side, stride, operation.groups, activation)
        yield Convolution(*size, *how, dilation=operation.dilation)
        return
    if operation.kind in ("depthwise", "separable"):
        yield _depthwise(place.inputs, operation, place, activation)
    elif operation.kind in ("max_pool", "avg_pool"):
        yield Free(operation.kind, kernel, stride)
    else:
        raise ValueError(f"no kind of operation: {operation.kind}")
    if operation.kind == "separable":
        yield Convolution(*size, 1, after, activation=activation)
    elif place.inputs != place.outputs:
        yield Convolution(*size, 1, after)


def _expansion(operation: Operation, place: Place, activation: str) -> Iterator[Part]:
    inner, groups = place.inputs * operation.expansion, operation.groups
    first = Convolution(place.inputs, inner, 1, place.side, 1, groups, activation)
    if groups > 1:
        yield first
        yield Free("mix", groups=groups)
    elif operation.expansion > 1:
        yield first
    yield _depthwise(inner, operation, place, activation)
    yield Convolution(inner, place.outputs, 1, place.side_after, 1, groups)


def _fused_expansion(operation: Operation, place: Place, activation: str) -> Iterator[Part]:
    inner, kernel = place.inputs * operation.expansion, operation.kernel
    if operation.expansion == 1:
        size = (place.inputs, place.outputs)
        yield Convolution(*size, kernel, place.side, place.stride, activation=activation)
        return
    yield Convolution(place.inputs, inner, kernel, place.side, place.stride, 1, activation)
    yield Convolution(inner, place.outputs, 1, place.side_after)


def _shuffle_branch(operation: Operation, place: Place) -> Iterator[Part]:
    """Yield what makes the new half of the channels of ShuffleNetV2's unit."""
    half, after = place.outputs // 2, place.side_after
    pointwise = Convolution(half, half, 1, after, activation="relu")
    if operation.kind == "shuffle":
        inputs = place.inputs if place.first else place.inputs // 2
        yield Convolution(inputs, half, 1, place.side, activation="relu")
        yield _depthwise(half, operation, place)
        yield pointwise
        return
    yield from _shuffle_entry(operation, place)
    for _ in range(2):
        yield Convolution(half, half, operation.kernel, after, 1, half)
        yield pointwise


def _shuffle_entry(operation: Operation, place: Place) -> Iterator[Part]:
    """Yield the depthwise separable convolution, also of the other half in a first layer."""
    inputs = place.inputs if place.first else place.inputs // 2
    yield _depthwise(inputs, operation, place)
    yield Convolution(inputs, place.outputs // 2, 1, place.side_after, activation="relu")
