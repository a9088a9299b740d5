"""The space of NAS-Bench-201, and the numbers of its operations."""

from hanas.core import plugins
from hanas.spaces._cell import CellSpace

nb201: CellSpace = plugins.space("nb201")
OPERATIONS, EDGES = nb201.operations, nb201.edges
NONE, SKIP, CONV_1X1, CONV_3X3, AVG_POOL = range(5)
