"""Scores of architectures of layer-wise supernets, computed when a search asks for them."""
