"""Train networks: batches, steps and epochs, supernets, chosen architectures from scratch."""
