"""What the Snakefile and the jobs of every rule need around the library: settings, facts, locks."""
