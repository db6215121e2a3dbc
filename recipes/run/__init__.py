"""Recipes of the guides in docs/*/run."""
