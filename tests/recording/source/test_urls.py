"""URLs of source locations, from the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmdocs.core.errors import SettingError
from kvmdocs.core.model import SourceLocation
from kvmdocs.core.settings import Settings
from kvmdocs.execution.project import Project
from kvmdocs.recording.source.urls import Templates

PLACE = SourceLocation("../a b.c", 12, "qemu", "7.2+dfsg~rc1", "hw/a b#.c", "f")


def load(root: Path, text: str, **environ: str) -> Templates:
    (root / "kvmdocs.toml").write_text(text)
    return Templates.load(Settings.load(root, environ))


def test_a_template_is_filled_in(tmp_path: Path) -> None:
    links = load(tmp_path, '[links]\nqemu = "https://example.org/{tree}/v{version}/{path}#L{line}"\n')
    assert links.url(PLACE) == "https://example.org/qemu/v7.2%2Bdfsg~rc1/hw/a%20b%23.c#L12"


def test_a_tree_without_a_template_has_no_address(tmp_path: Path) -> None:
    assert load(tmp_path, "").url(PLACE) is None


def test_the_environment_says_it_too(tmp_path: Path) -> None:
    links = load(tmp_path, '[links]\nqemu = "https://a.org/"\n', KVMDOCS_LINKS_QEMU="https://b.org/{line}")
    assert links.url(PLACE) == "https://b.org/12"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ('"https://a.org/{file}"', r"'links\.qemu' has the invalid placeholder \{file\}"),
        ('"https://a.org/{}"', r"'links\.qemu' has the invalid placeholder \{\}"),
        ('"https://a.org/{path!r}"', r"'links\.qemu' has the invalid placeholder \{path!r\}"),
        ('"https://a.org/{line:>9}"', r"'links\.qemu' has the invalid placeholder \{line:>9\}"),
        ('"https://a.org/{path"', r"'links\.qemu' is no template"),
        ('"javascript:alert(1)"', r"'links\.qemu' is no address"),
        ("7", r"'links\.qemu' is no address"),
    ],
)
def test_a_template_that_cannot_be_is_an_error_that_names_the_setting(tmp_path: Path, template: str, told: str) -> None:
    with pytest.raises(SettingError, match=told) as caught:
        load(tmp_path, f"[links]\nqemu = {template}\n")
    assert "{tree}, {version}, {path}, {line}" in caught.value.evidence.advice


def test_every_command_says_so_at_once(tmp_path: Path) -> None:
    (tmp_path / "kvmdocs.toml").write_text('[links]\nqemu = "https://a.org/{nothing}"\n')
    with pytest.raises(SettingError, match="nothing"):
        Project(tmp_path)
