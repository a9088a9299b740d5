"""Scores that rank architectures without training each of them: a module a kind of proxy."""
