"""Chains of 20 ShuffleNetV2 units of kernel 3, 5 or 7, or of the Xception-style form of kernel 3.

Reference: Z. Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling",
ECCV 2020. Genes and texts are described in :mod:`hanas.spaces._layerwise`.
"""

from hanas.spaces._layerwise import LayerwiseSpace
from hanas.spaces.networks.skeletons import Operation, Skeleton, Stage

SKELETON = Skeleton(
    stem=16, stages=(Stage(64, 4), Stage(160, 4), Stage(320, 8), Stage(640, 4)), last=1024
)
UNITS = (
    Operation("shuffle_3x3", "shuffle", kernel=3),
    Operation("shuffle_5x5", "shuffle", kernel=5),
    Operation("shuffle_7x7", "shuffle", kernel=7),
    Operation("xception_3x3", "xception", kernel=3),
)
SPACE = LayerwiseSpace("shuffle", SKELETON, UNITS)
