"""Benchmarks: each figure is compared with a baseline measured in the same run."""

import os

# Installed packages were compiled during installation. Let Python cache the engine's bytecode, too.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
