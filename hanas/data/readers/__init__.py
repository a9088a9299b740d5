"""Read files that others made without believing them."""
