"""PyTorch modules of the search spaces."""
