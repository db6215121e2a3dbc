"""Links from a page to its authors: to edit its guide, and to report a problem in a prefilled form.

Their addresses are made from the settings ``site.edit`` and ``site.report``. A setting that is empty gives no link.
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
from kvmdocs.render.stamp import SHOWN_KEY

EDIT_FIELDS = ("path", "commit")
REPORT_FIELDS = ("title", "body", "path", "commit")
"""Fields of the address templates `site.edit` and `site.report`."""

_WORDS = {
    Language.EN: ("Page", "Commit", "Records", "What is wrong"),
    Language.ZH: ("页面", "提交", "运行记录", "哪里不对"),
}


@dataclass(frozen=True)
class EditLinks:
    """Templates of the addresses.

    Attributes:
        edit: Template of the address at which a guide is edited; "" for none.
        report: Template of the address at which a problem is reported; "" for none.
        commit: The commit that the site is built from; "" if unknown.
    """

    edit: str = ""
    report: str = ""
    commit: str = ""

    @classmethod
    def load(cls, settings: Settings) -> EditLinks:
        """Return the templates of the settings.

        Raises:
            SettingError: A template is not an address, or has an unknown field.
        """
        edit, report = settings["site.edit"], settings["site.report"]
        if edit:
            check("site.edit", edit, EDIT_FIELDS, root=settings.root)
        if report:
            check("site.report", report, REPORT_FIELDS, root=settings.root, schemes=("https://", "http://", "mailto:"))
        # Without links there is no need for git.
        return cls(edit, report, settings["site.commit"] or (commit(settings.root) if edit or report else ""))

    def edit_url(self, path: str) -> str | None:
        """Return the address at which a guide is edited; None if `site.edit` is not set.

        Args:
            path: The guide's path in the project.
        """
        return self._fill(self.edit, path=path) if self.edit else None

    def report_url(self, path: str, title: str, records: Iterable[Record], language: Language) -> str | None:
        """Return the address at which a problem with a page is reported; None if `site.report` is not set.

        Args:
            path: The guide's path in the project.
            title: The page's title.
            records: The records that the page shows.
            language: The language of the prefilled report.
        """
        if not self.report:
            return None
        page, commit, shown, problem = _WORDS[language]
        lines = [f"{page}: {path}"]
        if self.commit:
            lines.append(f"{commit}: {self.commit}")
        if items := [f"- {_describe(record)}" for record in records]:
            lines += [f"{shown}:", *items]
        body = "\n".join([*lines, "", f"{problem}:", "", ""])
        return self._fill(self.report, path=path, title=f"{title} ({path})", body=body)

    def _fill(self, template: str, **fields: str) -> str:
        # A path keeps its slashes; text becomes part of a query, in which every special character must be quoted.
        values = {name: quote(value, safe="/" if name == "path" else "") for name, value in fields.items()}
        return template.format_map({"commit": quote(self.commit, safe=""), **values})


def commit(root: Path) -> str:
    """Return the commit that is checked out, followed by ``-dirty`` if files differ; "" outside of git."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _describe(record: Record) -> str:
    """Return a record in one line: its recipe, its key if it has one, and the time and host of its run."""
    words = (record.recipe, record.key[:SHOWN_KEY], record.started[:16], record.host.name)
    return " ".join(word for word in words if word)
