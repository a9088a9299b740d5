"""Hardware-aware neural architecture search: supernets, device tables, searches and Pareto fronts.

The library behind the Snakemake workflow of the same name. It never imports snakemake and never
reads ``config.yaml``: each function gets what it needs as arguments.
"""

__version__ = "0.1.0"
