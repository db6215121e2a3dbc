"""Style sheets and scripts of the package in a site of any theme."""

from __future__ import annotations

from pathlib import Path

import pytest
from mkdocs.config import load_config
from mkdocs.structure.files import File, Files

from kvmdocs.site.plugin import assets
from kvmdocs.site.plugin.generated import GeneratedFiles

GENERATED = GeneratedFiles()


def site(tmp_path: Path, theme: str):
    (tmp_path / "docs").mkdir()
    (tmp_path / "mkdocs.yml").write_text(
        f"site_name: A\ntheme: {{name: {theme}}}\nextra_css: [own.css]\nextra_javascript: [own.js]\n", "utf-8"
    )
    config = load_config(str(tmp_path / "mkdocs.yml"))
    config.plugins._current_plugin = "kvmdocs"  # MkDocs sets it while a plugin's hook runs
    return config


@pytest.mark.parametrize("theme", ["material", "mkdocs", "readthedocs"])
def test_a_site_gets_them_before_its_own(tmp_path, theme):
    config, files = site(tmp_path, theme), Files([])
    assets.add(files, config, GENERATED)
    sheets = [str(path) for path in config.extra_css]
    assert sheets[0] == "assets/css/kvmdocs-palette.css"
    assert sheets[-1] == "own.css"
    assert str(config.extra_javascript[-1]) == "own.js"
    paths = {file.src_uri for file in files}
    assert {*sheets[:-1], *map(str, config.extra_javascript[:-1])} == paths
    assert ("assets/css/kvmdocs-other-themes.css" in paths) is (theme != "material")
    assert ("assets/js/kvmdocs-copy.js" in paths) is (theme != "material")


def test_a_sheet_of_the_site_stands_in_for_one_of_the_package(tmp_path):
    config = site(tmp_path, "material")
    own = File.generated(config, "assets/css/kvmdocs-palette.css", content="/* ours */")
    files = Files([own])
    assets.add(files, config, GENERATED)
    assert files.get_file_from_path("assets/css/kvmdocs-palette.css") is own


def test_a_sheet_is_translated_for_other_themes():
    text = '.md-typeset .tr { margin: 1rem 0.66rem; width: 10.5em }\n[data-md-color-scheme="slate"] { --a: 1rem }'
    assert assets.translated(text) == (
        'body:not(#kvmdocs) .tr { margin: 1.25rem 0.825rem; width: 10.5em }\n[data-bs-theme="dark"] { --a: 1.25rem }'
    )
    for name in assets.OTHER_SHEETS:
        assert "data-md-" not in assets.sheet(name, is_material=False)
