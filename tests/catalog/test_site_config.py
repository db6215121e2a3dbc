"""Settings of a site that decide what a guide is."""

from __future__ import annotations

import os

import pytest

from kvmdocs.catalog.site_config import config_of, find_guides, is_guide, site_configs

MKDOCS = """\
site_name: x
docs_dir: pages
exclude_docs: |
  drafts/
  *.draft.md
draft_docs: |
  soon.md
  !kept/soon.md
markdown_extensions:
  - admonition
  - pymdownx.snippets:
      base_path: !relative $config_dir
  - pymdownx.emoji:
      emoji_index: !!python/name:no.such.module
extra:
  x: !ENV [A, b]
"""

FILES = {
    "pages/index.md": True,
    "pages/a.markdown": True,
    "pages/deep/b.md": True,
    "pages/kept/soon.md": True,
    "pages/虚拟机.md": True,
    "pages/drafts/x.md": False,
    "pages/y.draft.md": False,
    "pages/soon.md": False,
    "pages/.obsidian/y.md": False,
    "pages/node_modules/z.md": False,
    "pages/env/lib/z.md": False,
    "pages/.#index.md": False,
    "pages/._index.md": False,
    "pages/#index.md": False,
    "pages/index.md~": False,
    "pages/.hidden.md": False,
}


@pytest.fixture
def root(tmp_path):
    for name in (*FILES, "pages/env/pyvenv.cfg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "mkdocs.yml").write_text(f"\ufeff{MKDOCS}", "utf-8")
    return tmp_path


def test_what_the_site_leaves_out_is_no_guide(root):
    found = {str(path.relative_to(root)) for path in find_guides(root, root / "pages")}
    assert found == {name for name, expected in FILES.items() if expected}


@pytest.mark.parametrize("name", FILES)
def test_one_file_is_judged_in_the_same_way(root, name):
    assert (is_guide(root, root / name) and name.endswith((".md", ".markdown"))) is FILES[name]


def test_a_folder_that_a_link_leads_to_is_read_once(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere")
    (other / "linked.md").write_text("x")
    (other / "round").symlink_to(other)
    (root / "pages" / "link").symlink_to(other)
    found = [path.name for path in find_guides(root, root / "pages") if path.name == "linked.md"]
    assert found == ["linked.md"]


def test_extensions_are_read_without_importing_anything(root):
    config = config_of(root, root / "pages" / "index.md")
    assert {"admonition", "pymdownx.snippets", "toc"} <= set(config.extensions)
    assert config.extensions["pymdownx.snippets"] == {"base_path": "$config_dir"}


def test_a_site_inherits_and_each_guide_has_its_own(root):
    (root / "mkdocs.zh.yml").write_text("INHERIT: mkdocs.yml\ndocs_dir: zh\nexclude_docs: one.md\n")
    (root / "zh").mkdir()
    (root / "zh" / "one.md").touch()
    (root / "zh" / "two.md").touch()
    assert [path.name for path in find_guides(root, root / "zh")] == ["two.md"]
    assert "admonition" in config_of(root, root / "zh" / "two.md").extensions
    assert config_of(root, root / "pages" / "index.md").docs == root / "pages"


def test_a_file_that_changes_is_read_again(root):
    (before,) = site_configs(root)
    (root / "mkdocs.yml").write_text("docs_dir: other\n")
    os.utime(root / "mkdocs.yml", ns=(1, 1))
    (after,) = site_configs(root)
    assert (before.docs.name, after.docs.name) == ("pages", "other")


@pytest.mark.parametrize("text", ["[", "- a", "docs_dir: [", "INHERIT: mkdocs.yml\n", "INHERIT: nothing.yml\n"])
def test_settings_that_cannot_be_read_count_as_empty(root, text):
    (root / "mkdocs.yml").write_text(text)
    assert config_of(root, root / "docs" / "a.md").docs == root / "docs"


def test_a_project_without_a_site(tmp_path):
    assert site_configs(tmp_path) == ()
    assert config_of(tmp_path, tmp_path / "docs" / "a.md").extensions.keys() == {"toc", "tables", "fenced_code"}
