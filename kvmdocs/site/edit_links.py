"""The way back from a page to those who write it: where its guide is edited, and a report that is half written already.

Both are addresses made of the settings ``site.edit`` and ``site.report``. A project that sets neither has neither link.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from kvmdocs.core.model import Record
from kvmdocs.core.settings import Settings
from kvmdocs.recording.source.urls import check
from kvmdocs.render import Language

EDIT_FIELDS = ("path", "commit")
REPORT_FIELDS = ("title", "body", "path", "commit")
SHOWN_KEY = 12
"""Digits of a record's key, as its stamp shows them."""

_WORDS = {
    Language.EN: ("Page", "Commit", "Records", "What is wrong"),
    Language.ZH: ("页面", "提交", "运行记录", "哪里不对"),
}


@dataclass(frozen=True)
class Feedback:
    """Makes the addresses.

    Attributes:
        edit: Template of the address where a guide is edited; "" for none.
        report: Template of the address where a problem is reported; "" for none.
        commit: The commit the site is built from; "" if that is not known.
    """

    edit: str = ""
    report: str = ""
    commit: str = ""

    @classmethod
    def load(cls, settings: Settings) -> Feedback:
        """What the settings say.

        Raises:
            SettingError: A template cannot be filled in, or is no address.
        """
        edit, report = settings["site.edit"], settings["site.report"]
        if edit:
            check("site.edit", edit, EDIT_FIELDS, root=settings.root)
        if report:
            check("site.report", report, REPORT_FIELDS, root=settings.root, schemes=("https://", "http://", "mailto:"))
        # Nobody needs git where nothing is linked.
        return cls(edit, report, settings["site.commit"] or (commit(settings.root) if edit or report else ""))

    def edit_url(self, path: str) -> str | None:
        """Where the guide at this path in the project is edited; None when that is not known."""
        return self._fill(self.edit, path=path) if self.edit else None

    def report_url(self, path: str, title: str, records: Iterable[Record], language: Language) -> str | None:
        """Where a problem with a page is reported; None when that is not known.

        Args:
            path: The guide in the project.
            title: The page's title.
            records: What the page shows.
            language: The language that the report is begun in.
        """
        if not self.report:
            return None
        page, built, shown, wrong = _WORDS[language]
        lines = [f"{page}: {path}"]
        if self.commit:
            lines.append(f"{built}: {self.commit}")
        if told := [f"- {_told(record)}" for record in records]:
            lines += [f"{shown}:", *told]
        body = "\n".join([*lines, "", f"{wrong}:", "", ""])
        return self._fill(self.report, path=path, title=f"{title} ({path})", body=body)

    def _fill(self, template: str, **told: str) -> str:
        # In a path slashes stay; text goes into a query, where nothing of it may be read as part of the address.
        values = {name: quote(value, safe="/" if name == "path" else "") for name, value in told.items()}
        return template.format_map({"commit": quote(self.commit, safe=""), **values})


def commit(root: Path) -> str:
    """The commit that a project's folder is at, with ``-dirty`` after it when files differ; "" outside git."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _told(record: Record) -> str:
    """A record in a line: its recipe, its key if it has one, when and where it was made."""
    words = (record.recipe, record.key[:SHOWN_KEY], record.started[:16], record.host.name)
    return " ".join(word for word in words if word)
