"""Run a searcher on tables or on scores that are computed when asked for."""
