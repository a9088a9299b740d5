"""Multi-objective searches over genes."""
