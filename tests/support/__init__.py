"""What tests share: servers, a browser, samples, and where the project lies."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder."""
