"""Recipes and their execution: declaration, recording shell, values, source locations."""
