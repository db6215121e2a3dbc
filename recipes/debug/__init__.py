"""Recipes of the guides in docs/*/debug."""
