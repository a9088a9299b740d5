"""The chains of ``shuffle`` of any depth: layers but the first of stages may be ``identity``."""

from hanas.spaces._layerwise import IDENTITY, LayerwiseSpace
from hanas.spaces.shuffle import SKELETON, UNITS

SPACE = LayerwiseSpace("shuffle_i", SKELETON, (*UNITS, IDENTITY))
