"""The built site that tests of content examine, and its pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT

LANGUAGES = ("en", "zh")


def guides() -> list[str]:
    """Return the pages of all guides, such as ``en/kvm/load.html``."""
    pages = []
    for language in LANGUAGES:
        folder = ROOT / "docs" / language
        pages += [f"{language}/{path.relative_to(folder).with_suffix('.html')}" for path in sorted(folder.rglob("*.md"))]
    return pages


@dataclass(frozen=True)
class Site:
    """Built site.

    Attributes:
        folder: Folder of the site.
        address: Address of the site for the tests' browser, without a trailing slash.
    """

    folder: Path
    address: str

    def text(self, page: str) -> str:
        return (self.folder / page).read_text("utf-8")
