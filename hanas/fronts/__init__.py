"""Pareto fronts: found, judged against the true one, and chosen from."""
