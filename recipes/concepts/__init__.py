"""Recipes of the guides in docs/*/concepts."""
