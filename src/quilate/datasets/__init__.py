"""Datasets: named data and its immutable versions."""
