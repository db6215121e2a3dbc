"""One style sheet in place of several, where that is possible."""

from __future__ import annotations

from pathlib import Path

import pytest
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from kvmdocs.site.plugin.generated import GeneratedFiles
from kvmdocs.site.plugin.stylesheets import bundle

GENERATED = GeneratedFiles()


@pytest.fixture
def config(tmp_path: Path) -> MkDocsConfig:
    (tmp_path / "docs").mkdir()
    (tmp_path / "mkdocs.yml").write_text("site_name: A\n", "utf-8")
    made = load_config(str(tmp_path / "mkdocs.yml"))
    made.plugins._current_plugin = "kvmdocs"  # MkDocs sets it while a plugin's hook runs
    return made


def sheets(config: MkDocsConfig, **texts: str) -> Files:
    config.extra_css = [f"css/{name}.css" for name in texts]
    return Files([File.generated(config, f"css/{name}.css", content=text) for name, text in texts.items()])


def test_the_sheets_become_one_in_their_order(config: MkDocsConfig) -> None:
    files = sheets(config, second="a { color: red }", first="a { color: blue }")
    bundle(files, config, GENERATED)
    (name,) = config.extra_css
    (file,) = files
    assert file.src_uri == name
    assert file.content_string == "a { color: red }\na { color: blue }"
    assert name.startswith("css/all.")


def test_another_text_has_another_name(config: MkDocsConfig) -> None:
    names = set()
    for colour in ("red", "blue"):
        bundle(sheets(config, one="a {}", two=f"b {{ color: {colour} }}"), config, GENERATED)
        names.update(config.extra_css)
    assert len(names) == 2


@pytest.mark.parametrize("other", ["https://example.org/other.css", "elsewhere/other.css"])
def test_what_lies_elsewhere_keeps_all_apart(config: MkDocsConfig, other: str) -> None:
    files = sheets(config, one="a {}", two="b {}")
    files.append(File.generated(config, "elsewhere/other.css", content="c {}"))
    config.extra_css.insert(1, other)
    bundle(files, config, GENERATED)
    assert config.extra_css == ["css/one.css", other, "css/two.css"]
    assert len(files) == 3
