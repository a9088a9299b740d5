"""Images and files from outside: data sets, splits, batches, readers of official files."""
