"""What each choice of a search space is worth on a device: effects, fronts, a smaller space."""
