"""Image data sets as one uint8 array with labels and named splits."""
