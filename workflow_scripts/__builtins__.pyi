"""What Snakemake gives to every script."""

from typing import Any

snakemake: Any
