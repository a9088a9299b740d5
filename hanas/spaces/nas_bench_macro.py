"""NAS-Bench-Macro: chains of 8 layers of MobileNetV2 bottlenecks, all 6,561 of them trained.

Each layer is identity, a bottleneck of kernel 3 and expansion 3, or one of kernel 5 and expansion
6; an identity that has to change the shape is a 1x1 convolution. Texts are those of the benchmark:
a digit a layer, such as ``01221120``.

Reference: X. Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR
2021.
"""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from hanas.core.errors import InputError
from hanas.spaces._layerwise import IDENTITY, LayerwiseSpace
from hanas.spaces._space import Genes
from hanas.spaces.networks.operations import operation
from hanas.spaces.networks.skeletons import Skeleton, stages

SKELETON = Skeleton(
    stem=32,
    stages=stages((64, 2), (128, 3), (256, 3)),
    last=1280,
    identity_projects=True,
)


class NasBenchMacro(LayerwiseSpace):
    """The layer-wise space of the benchmark, in its own texts."""

    @override
    def to_text(self, genes: Genes) -> str:
        return "".join(map(str, self._checked(np.asarray(genes)[None])[0]))

    @override
    def from_text(self, text: str) -> np.ndarray:
        layers, last = len(self.choices), len(self.operations) - 1
        if len(text) != layers or not set(text) <= set("012"):
            raise InputError(
                f"not an architecture of {self.name}: {text!r}; expected {layers} digits, "
                f"0 to {last}, such as {'1' * layers}"
            )
        return np.array([int(digit) for digit in text], dtype=np.int64)


SPACE = NasBenchMacro(
    "nas_bench_macro", SKELETON, (IDENTITY, operation("mb3_3x3"), operation("mb6_5x5"))
)
