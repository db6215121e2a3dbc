"""A project's modules are compiled once for each text they have, and never taken for what they were."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from kvmdocs.catalog.guides import find_blocks
from kvmdocs.catalog.loader import compile_ahead, execute, import_module, import_package
from kvmdocs.core.errors import CatalogError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with one module, and Python free to write."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / f"compiled_{tmp_path.name.replace('-', '_')}"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("VALUE = 1\n")
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == folder.name]:
        del sys.modules[name]


def compiled(path):
    return Path(importlib.util.cache_from_source(str(path)))


def value(package):
    for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
        del sys.modules[name]
    return {module.__name__: module for module in import_package(package.parent, package.name)}[f"{package.name}.one"].VALUE


def test_a_module_is_compiled_once(package):
    assert value(package) == 1
    made = compiled(package / "one.py")
    before = made.stat().st_mtime_ns
    assert value(package) == 1
    assert made.stat().st_mtime_ns == before


def test_an_edit_that_keeps_size_and_age_is_seen(package):
    assert value(package) == 1
    source = package / "one.py"
    known = source.stat()
    source.write_text("VALUE = 2\n")
    os.utime(source, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert value(package) == 2


def test_what_python_has_compiled_by_itself_is_not_trusted(package):
    source = package / "one.py"
    sys.path.insert(0, str(package.parent))
    importlib.import_module(f"{package.name}.one")
    assert compiled(source).is_file()
    known = source.stat()
    source.write_text("VALUE = 3\n")
    os.utime(source, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert value(package) == 3


def test_nothing_is_written_where_python_may_not(package, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert value(package) == 1
    assert not list(package.rglob("*.pyc"))


def test_a_damaged_one_is_made_again(package):
    assert value(package) == 1
    compiled(package / "one.py").write_bytes(b"rubbish")
    assert value(package) == 1


def test_a_module_that_cannot_be_compiled_is_told_of_by_its_import(package):
    (package / "one.py").write_text("def broken(:\n")
    compile_ahead(package)
    with pytest.raises(CatalogError, match="cannot be imported: SyntaxError"):
        value(package)


def test_a_folder_that_takes_no_files_is_no_obstacle(package):
    (package / "__pycache__").write_text("in the way")
    assert value(package) == 1
    assert import_module(package.parent, f"{package.name}.one").VALUE == 1


# -- blocks -----------------------------------------------------------------------------------------------------

BLOCK = """\
Text.

```python exec="on"
import dataclasses, enum, inspect, pickle

@dataclasses.dataclass
class Size:
    number: int
    unit: "str" = "MiB"

class Colour(enum.Enum):
    RED = 1

def helper():
    return 1

annotation = Size.__annotations__["number"]
kept = pickle.loads(pickle.dumps([Size(3), Colour.RED]))
source = inspect.getsource(helper), inspect.getsource(Size)
name = sys.modules[__name__].Size is Size
```
"""


def test_a_block_runs_as_in_a_module_of_its_own(tmp_path):
    guide = tmp_path / "guide.md"
    guide.write_text(BLOCK)
    (block,) = find_blocks(guide)
    names = {"sys": sys}
    execute(block, names, "docs/guide_md:3", "docs/guide.md")
    # This module's own `from __future__ import annotations` does not reach the block.
    assert names["annotation"] is int
    assert names["kept"] == [names["Size"](3), names["Colour"].RED]
    assert names["source"][0] == "def helper():\n    return 1\n"
    assert names["source"][1].startswith("@dataclasses.dataclass\nclass Size:")
    assert names["name"]


def test_blocks_of_one_session_share_names_and_each_keeps_its_source(tmp_path):
    guide = tmp_path / "guide.md"
    guide.write_text(
        '```python exec="on" session="a"\ndef first():\n    return 1\n```\n'
        '```python exec="on" session="a"\nimport inspect\nsource = inspect.getsource(first)\n```\n'
    )
    names = {}
    for block in find_blocks(guide):
        execute(block, names, f"guide_md:{block.line}", "guide.md")
    assert names["source"] == "def first():\n    return 1\n"
