"""Benchmarks: they run by hand only, so a test sees that their imports exist."""

from __future__ import annotations

import subprocess
import sys

from tests.support import ROOT

IMPORT = "import importlib, sys; [importlib.import_module(f'benchmarks.{name}') for name in sys.argv[1:]]"


def test_every_benchmark_can_be_imported() -> None:
    names = [path.stem for path in sorted((ROOT / "benchmarks").glob("*.py")) if path.stem != "__init__"]
    done = subprocess.run([sys.executable, "-c", IMPORT, *names], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
