"""Secrets: which text is one, and text without it."""
