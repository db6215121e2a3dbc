"""The site that the tests beside this file look at, and its pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT

LANGUAGES = ("en", "zh")


def guides() -> list[str]:
    """The pages that guides become, such as ``en/kvm/load.html``."""
    found = []
    for language in LANGUAGES:
        folder = ROOT / "docs" / language
        found += [f"{language}/{path.relative_to(folder).with_suffix('.html')}" for path in sorted(folder.rglob("*.md"))]
    return found


@dataclass(frozen=True)
class Site:
    """The site.

    Attributes:
        folder: Where it was built.
        address: Where the tests' browser sees it, without a slash at its end.
    """

    folder: Path
    address: str

    def text(self, page: str) -> str:
        return (self.folder / page).read_text("utf-8")
