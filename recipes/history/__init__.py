"""Recipes of the guides in docs/*/history."""
