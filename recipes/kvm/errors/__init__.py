"""Recipes of docs/*/kvm/errors.md: errors that are provoked on purpose."""
