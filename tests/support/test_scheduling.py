"""Distribution of tests to the workers of `make test`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT
from tests.support.scheduling import group

TOGETHER = """
seen = []

def test_one():
    seen.append(1)

def test_two():
    assert seen, "in the same worker"
"""

APART = """
import time
from pathlib import Path
import pytest

@pytest.mark.parametrize("page", [0, 1])
def test_page(page):
    Path(f"page{page}").touch()
    for _ in range(1000):
        if Path(f"page{1 - page}").exists():
            return
        time.sleep(0.02)
    raise TimeoutError("the other page is not tested at the same time")
"""


def test_a_file_is_a_group_the_site_is_one_and_so_is_each_page() -> None:
    page = "tests/content/test_every_page.py::test_page[en/index.html]"
    assert group(page) == page
    assert group("tests/test_a.py::test[tests/content/x.py::y]") == "tests/test_a.py"
    assert {group(f"tests/content/test_{name}") for name in ("copy.py::test", "every_page.py::test_a_page_is_light[a]")} == {
        "tests/content"
    }
    assert group("tests/scenarios/test_kills.py::test_kill_9_at_random_moments") == "tests/content"


def test_workers_get_groups(tmp_path: Path) -> None:
    content = tmp_path / "tests" / "content"
    content.mkdir(parents=True)
    (tmp_path / "tests" / "test_together.py").write_text(TOGETHER, "utf-8")
    (content / "test_every_page.py").write_text(APART, "utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.support.scheduling",
            "-p",
            "no:cacheprovider",
            "-n",
            "2",
            "--dist",
            "loadfile",
            "tests",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
