"""Recipes of the guides in docs/*/start."""
