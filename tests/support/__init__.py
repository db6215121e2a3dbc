"""Helpers that tests share: servers, a browser, samples, and the path of the project."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Folder of the project."""
