"""Predict the metrics of a whole space from a few models that were measured."""
