"""Comparators: each decides, in a file of its own, whether two predictions agree."""
