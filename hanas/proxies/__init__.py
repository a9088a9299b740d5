"""Scores of architectures that need no training of their own."""
