"""What every room needs: errors, files, randomness, the compute device, plugins, processes."""
