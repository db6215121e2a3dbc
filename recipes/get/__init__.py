"""Recipes of the guides in docs/*/get: sources of QEMU and Linux."""
