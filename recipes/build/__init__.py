"""Recipes of the guides in docs/*/build."""
