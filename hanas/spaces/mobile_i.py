"""Chains of 20 MobileNetV2 bottlenecks of kernel 3, 5 or 7 and expansion 3 or 6, or ``identity``.

Reference: M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
Identity can be where size and channels stay, so not in the first layer of a stage.
"""

from hanas.spaces._layerwise import IDENTITY, LayerwiseSpace
from hanas.spaces.networks.operations import operation
from hanas.spaces.networks.skeletons import Skeleton, stages

SKELETON = Skeleton(
    stem=32,
    stages=stages((24, 4), (32, 4), (64, 4), (96, 4, 1), (160, 4)),
    last=1280,
    activation="relu6",
    first_bottleneck=16,
)
BOTTLENECKS = tuple(
    operation(f"mb{expansion}_{kernel}x{kernel}") for expansion in (3, 6) for kernel in (3, 5, 7)
)
SPACE = LayerwiseSpace("mobile_i", SKELETON, (*BOTTLENECKS, IDENTITY))
