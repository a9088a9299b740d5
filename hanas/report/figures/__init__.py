"""Figures for papers: one module a figure, which makes the plotted table and draws it.

``table`` joins what is shown into a table, which is written beside the pictures, and ``draw``
draws that table and nothing else.
"""
