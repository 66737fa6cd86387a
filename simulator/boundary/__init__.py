"""Boundary cases of a history, as data to tune a model with."""
