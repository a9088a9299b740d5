"""Chains of 20 ShuffleNetV2 units of kernel 3, 5 or 7, or of the Xception-style form of kernel 3.

Reference: Z. Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling",
ECCV 2020.
"""

from hanas.spaces._layerwise import LayerwiseSpace
from hanas.spaces.networks.operations import operation
from hanas.spaces.networks.skeletons import Skeleton, stages

SKELETON = Skeleton(stem=16, stages=stages((64, 4), (160, 4), (320, 8), (640, 4)), last=1024)
UNITS = tuple(map(operation, ("shuffle_3x3", "shuffle_5x5", "shuffle_7x7", "xception_3x3")))
SPACE = LayerwiseSpace("shuffle", SKELETON, UNITS)
