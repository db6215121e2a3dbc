"""Additions to `mkdocs serve`: recipes that run in the background, and pages that show their state."""
