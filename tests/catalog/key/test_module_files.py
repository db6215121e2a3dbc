"""Modules of the project: which count, and which others importing one imports."""

from __future__ import annotations

import sys

import pytest

from kvmdocs.catalog.key.module_files import ModuleFiles, read_source, source_file
from kvmdocs.core.errors import CatalogError


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Return modules of a project, with a package `pack` of recipes, a module beside it, and an installed package."""
    texts = {
        "pack/__init__.py": "import beside_files\n",
        "pack/one.py": "from .two import name\nfrom . import three\nimport installed_files.part\nimport os.path\n",
        "pack/two.py": "name = 1\ndef f():\n    import pack.late\n",
        "pack/three.py": "",
        "pack/late.py": "",
        "pack/apart.py": "",
        "beside_files.py": "\ufeffimport msgspec\n",
        "site-packages/installed_files/__init__.py": "",
        "site-packages/installed_files/part.py": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield ModuleFiles(("pack",), {"docs/a.md:3": "from pack import three\n"})
    for name in [name for name in sys.modules if name.partition(".")[0] in ("pack", "beside_files", "installed_files")]:
        del sys.modules[name]


def test_modules_of_the_project_count_wherever_they_lie(files):
    counted = ("pack.one", "beside_files", "kvmdocs.lab.machine", "docs/a.md:3")
    assert all(map(files.is_followed, counted))
    assert not any(
        map(files.is_followed, ("os", "sys", "json.decoder", "msgspec", "installed_files", "kvmdocs.core", "nothing_there"))
    )


def test_importing_a_module_imports_its_package_and_all_that_these_name(files):
    assert set(files.loaded("pack.one")) == {"pack.one", "pack", "pack.two", "pack.three", "pack.late", "beside_files"}
    assert set(files.loaded("docs/a.md:3")) == {"docs/a.md:3", "pack", "pack.three", "beside_files"}


def test_the_libraries_behind_a_module(files):
    assert files.libraries("pack.one") >= {"installed_files", "msgspec", "os"}
    assert "installed_files" not in files.libraries("pack.three")


def test_a_module_without_source_is_none(files, tmp_path):
    assert files.get("pack.nothing") is None
    assert source_file("sys") is None
    assert source_file("pack.three") == tmp_path / "pack" / "three.py"


@pytest.mark.parametrize(
    "data",
    [b"\xef\xbb\xbfx = 1\n", "# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"), b"x = 1\r\ny = 2\r\n"],
)
def test_a_module_is_read_as_python_reads_it(tmp_path, data):
    (tmp_path / "m.py").write_bytes(data)
    assert "x = " in read_source(tmp_path / "m.py")
    assert "\r" not in read_source(tmp_path / "m.py")


@pytest.mark.parametrize("data", [b"x = '\xff'\n", b"# coding: no-such\nx = 1\n"])
def test_a_module_that_python_cannot_read_is_named(tmp_path, data):
    (tmp_path / "m.py").write_bytes(data)
    with pytest.raises(CatalogError, match=r"m\.py cannot be read"):
        read_source(tmp_path / "m.py")
