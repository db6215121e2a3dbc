"""URLs of lines of source code: a template for each source tree, from the settings ``links.…``."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from kvmdocs.core.errors import Evidence, SettingError
from kvmdocs.core.model import SourceLocation
from kvmdocs.core.settings import Settings, place_of

PREFIX = "links."
FIELDS = ("tree", "version", "path", "line")
"""Placeholders that a template may contain."""


@dataclass(frozen=True)
class Templates:
    """URL templates.

    Attributes:
        by_tree: Template of each source tree by its name.
    """

    by_tree: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, settings: Settings) -> Templates:
        """Return the templates in the settings.

        Raises:
            SettingError: A template has an unknown placeholder, or is not a URL.
        """
        templates = {name: value for name, value in settings.values.items() if name.startswith(PREFIX)}
        for name, value in templates.items():
            check(name, value, FIELDS, root=settings.root)
        return cls({name.removeprefix(PREFIX): value for name, value in templates.items()})

    def url(self, place: SourceLocation) -> str | None:
        """Return the URL of a source location, or None for a tree without a template."""
        template = self.by_tree.get(place.tree)
        if template is None:
            return None
        # `+` in a version such as 7.2+dfsg must be quoted; slashes of a path must not.
        values = {"tree": place.tree, "version": place.version, "path": place.path, "line": str(place.line)}
        return template.format_map({name: quote(value, safe="/") for name, value in values.items()})


def check(
    name: str, value: object, fields: Sequence[str], *, root: Path, schemes: tuple[str, ...] = ("https://", "http://")
) -> None:
    """Check that a URL template can be filled in.

    Args:
        name: Name of the setting.
        value: Its value.
        fields: Placeholders that it may contain.
        root: The project's folder, to find the line of the setting.
        schemes: Allowed beginnings of the URL.

    Raises:
        SettingError: The template is invalid.
    """
    allowed = ", ".join(f"{{{field}}}" for field in fields)
    advice = Evidence(place=place_of(name, root), advice=f"give it an address (https://…) with any of {allowed}")
    if not isinstance(value, str) or not value.startswith(schemes):
        raise SettingError(f"the setting {name!r} is no address: {value!r}", advice)
    try:
        parts = [(field, spec, conversion) for _, field, spec, conversion in string.Formatter().parse(value)]
    except ValueError as error:
        raise SettingError(f"the setting {name!r} is no template: {error}", advice) from None
    for field_name, spec, conversion in parts:
        if field_name is not None and (field_name not in fields or spec or conversion):
            written = field_name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise SettingError(f"the setting {name!r} has the invalid placeholder {{{written}}}", advice)
