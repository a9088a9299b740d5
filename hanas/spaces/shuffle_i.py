"""The chains of :mod:`hanas.spaces.shuffle`, of any depth: layers may be ``identity``.

Only where they keep size and channels, so not in the first layer of a stage.
"""

from hanas.spaces._layerwise import IDENTITY, LayerwiseSpace
from hanas.spaces.shuffle import SKELETON, UNITS

SPACE = LayerwiseSpace("shuffle_i", SKELETON, (*UNITS, IDENTITY))
