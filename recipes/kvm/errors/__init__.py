"""Recipes of docs/*/kvm/errors.md: what goes wrong, provoked."""
