"""Recipes of the guides in docs/*/kvm."""
