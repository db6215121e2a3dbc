"""Files that the plugin adds have a path on the disk while the site is built."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config import load_config

from kvmdocs.site.plugin.generated import GeneratedFiles


def test_a_file_lies_on_the_disk_until_the_site_is_written(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "mkdocs.yml").write_text("site_name: A\n", "utf-8")
    config = load_config(str(tmp_path / "mkdocs.yml"))
    config.plugins._current_plugin = "kvmdocs"  # MkDocs sets it while a plugin's hook runs
    generated = GeneratedFiles()
    file = generated.make(config, "deep/report.json", "{}")
    path = Path(file.abs_src_path)
    assert path.read_text() == file.content_string == "{}"
    assert (file.src_uri, file.dest_uri) == ("deep/report.json", "deep/report.json")
    generated.close()
    assert not path.exists()
