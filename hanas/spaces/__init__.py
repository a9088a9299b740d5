"""Search spaces: genes, their canonical text, and the networks they stand for."""
