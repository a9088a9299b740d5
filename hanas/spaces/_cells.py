"""What a cell of NAS-Bench-201 is made of: operations, nodes, edges and paths."""

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP, CONV_1X1, CONV_3X3, AVG_POOL = range(5)
#: (target node, source node) of each gene, in the order of the canonical text.
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
N_NODES = 4
#: The edge from the input to the output.
DIRECT_EDGE = EDGES.index((N_NODES - 1, 0))
#: The edges of each path from the input to the output.
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
