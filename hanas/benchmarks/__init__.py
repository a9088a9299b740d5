"""True accuracies of architectures."""
