"""Kinds of spaces that are declared as data: what each key of a declaration means."""
