"""The chains of :mod:`hanas.spaces.shuffle`, of any depth: layers may be ``identity``.

Only where they keep size and channels, so not in the first layer of a stage.
"""

from hanas.spaces._layerwise import IDENTITY, LayerwiseSpace
from hanas.spaces.shuffle import SKELETON, UNITS

SPACE = LayerwiseSpace("shuffle_i", SKELETON, (*UNITS, IDENTITY))

ENUMERABLE = False
OPERATIONS = SPACE.operation_names
choices = SPACE.choices
#: The architectures with the most and with the fewest parameters (at width 1).
LARGEST, SMALLEST = SPACE.largest, SPACE.smallest

to_text, from_text = SPACE.to_text, SPACE.from_text
for_images = SPACE.for_images
supernet, build, inherit = SPACE.supernet, SPACE.build, SPACE.inherit
params, flops = SPACE.params, SPACE.flops
