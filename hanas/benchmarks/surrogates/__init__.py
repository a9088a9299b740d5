"""Small models that stand in for benchmark tables, so that a study needs no download."""
