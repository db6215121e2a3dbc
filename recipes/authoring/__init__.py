"""Recipes of the guides in docs/*/authoring."""
