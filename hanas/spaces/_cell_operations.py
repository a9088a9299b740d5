"""What an edge of a cell can do, by its name, and what that costs. Without PyTorch.

``none`` adds nothing to its node, ``skip_connect`` what it is given. All others have a name of one
rule, KIND_KxK, K odd, with _gG for the groups of a ``group_conv``: ``nor_conv_1x1``,
``sep_conv_5x5``, ``group_conv_3x3_g4``, ``max_pool_3x3``. Kinds are those of NAS-Bench-201 and of
H. Liu, K. Simonyan and Y. Yang, "DARTS: Differentiable Architecture Search", ICLR 2019. Channels
and sides stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from hanas.core.errors import InputError

NONE, SKIP = "none", "skip_connect"
#: Kernels of each kind.
KINDS = {
    "nor_conv": (1, 3, 5, 7),
    "sep_conv": (3, 5, 7),
    "dil_conv": (3, 5),
    "group_conv": (1, 3, 5, 7),
    "avg_pool": (3, 5, 7),
    "max_pool": (3, 5, 7),
}
_NAME = re.compile(r"(?P<kind>[a-z]+_[a-z]+)_(?P<kernel>\d)x(?P=kernel)(_g(?P<groups>[1-9]\d*))?")


@dataclass(frozen=True)
class Filter:
    """A convolution without bias of all channels, of so many groups; 0: of each channel alone."""

    kernel: int
    groups: int = 1
    dilation: int = 1

    def weights(self, channels: int) -> int:
        """Return how many weights it has."""
        return channels * channels // (self.groups or channels) * self.kernel**2


@dataclass(frozen=True)
class CellOperation:
    """An operation of a cell. Equal names are equal operations."""

    name: str
    kind: str
    kernel: int = 0
    groups: int = 1

    @cached_property
    def units(self) -> tuple[tuple[Filter, ...], ...]:
        """Return its units: each is ReLU, these convolutions, and batch normalisation.

        ``sep_conv`` has two of a depthwise and a 1x1 convolution, ``dil_conv`` one, of dilation 2,
        as in DARTS.
        """
        pointwise, kernel = Filter(1), self.kernel
        of_kind = {
            "nor_conv": ((Filter(kernel),),),
            "group_conv": ((Filter(kernel, self.groups),),),
            "sep_conv": ((Filter(kernel, 0), pointwise),) * 2,
            "dil_conv": ((Filter(kernel, 0, dilation=2), pointwise),),
        }
        return of_kind.get(self.kind, ())

    @property
    def convolves(self) -> bool:
        """Whether it has weights, and so makes something else of its input than a mean."""
        return bool(self.units)

    @property
    def pools(self) -> bool:
        """Whether it is a mean or the largest of neighbours."""
        return self.kind.endswith("_pool")

    def weights(self, channels: int) -> int:
        """Return the weights of its convolutions: the multiply-accumulates of a pixel."""
        return sum(one.weights(channels) for unit in self.units for one in unit)

    def parameters(self, channels: int) -> int:
        """Return its parameters, with affine batch normalisation."""
        return self.weights(channels) + 2 * channels * len(self.units)


def operation(name: str) -> CellOperation:
    """Return the operation of a name; InputError if it is none.

    >>> operation("group_conv_3x3_g4").parameters(16), operation("sep_conv_3x3").parameters(16)
    (608, 864)
    """
    if name in (NONE, SKIP):
        return CellOperation(name, name)
    match = _NAME.fullmatch(name)
    kind = match["kind"] if match else name
    if match is None or kind not in KINDS:
        raise InputError(
            f"{name!r} is no operation of a cell; expected {NONE}, {SKIP}, or one of "
            f"{', '.join(KINDS)} with its kernel, such as nor_conv_3x3"
        )
    kernel, groups = int(match["kernel"]), match["groups"]
    if kernel not in KINDS[kind]:
        sizes = ", ".join(f"{kind}_{size}x{size}" for size in KINDS[kind])
        raise InputError(f"{name!r} has a kernel of {kernel}x{kernel}; expected one of: {sizes}")
    if (kind == "group_conv") != (groups is not None) or groups == "1":
        raise InputError(
            f"{name!r}: group_conv, and no other kind, has two groups or more; expected such as "
            f"group_conv_{kernel}x{kernel}_g4 or nor_conv_3x3"
        )
    return CellOperation(name, kind, kernel, int(groups or 1))
