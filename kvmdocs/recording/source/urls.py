"""Where a reader finds a line of source code: an address for each source tree, from the settings ``links.…``."""

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
"""What a template may have in braces."""


@dataclass(frozen=True)
class Templates:
    """Templates of addresses.

    Attributes:
        by_tree: The template of each source tree by its name.
    """

    by_tree: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, settings: Settings) -> Templates:
        """The templates in the settings.

        Raises:
            SettingError: One has something in braces that is not known here, or no address.
        """
        told = {name: value for name, value in settings.values.items() if name.startswith(PREFIX)}
        for name, value in told.items():
            check(name, value, FIELDS, root=settings.root)
        return cls({name.removeprefix(PREFIX): value for name, value in told.items()})

    def url(self, place: SourceLocation) -> str | None:
        """The address of a place; None for a tree that has no template."""
        template = self.by_tree.get(place.tree)
        if template is None:
            return None
        # A version such as 7.2+dfsg must not become another one in a browser; a path keeps its slashes.
        told = {"tree": place.tree, "version": place.version, "path": place.path, "line": str(place.line)}
        return template.format_map({name: quote(value, safe="/") for name, value in told.items()})


def check(
    name: str, value: object, fields: Sequence[str], *, root: Path, schemes: tuple[str, ...] = ("https://", "http://")
) -> None:
    """Refuse a template of an address that cannot be filled in.

    Args:
        name: The setting.
        value: Its value.
        fields: What it may have in braces.
        root: The project's folder, for the line where the setting stands.
        schemes: How it may begin.

    Raises:
        SettingError: It cannot.
    """
    known = ", ".join(f"{{{field}}}" for field in fields)
    advice = Evidence(place=place_of(name, root), advice=f"give it an address (https://…) with any of {known}")
    if not isinstance(value, str) or not value.startswith(schemes):
        raise SettingError(f"the setting {name!r} is no address: {value!r}", advice)
    try:
        parts = [(wanted, spec, conversion) for _, wanted, spec, conversion in string.Formatter().parse(value)]
    except ValueError as error:
        raise SettingError(f"the setting {name!r} is no template: {error}", advice) from None
    for wanted, spec, conversion in parts:
        if wanted is not None and (wanted not in fields or spec or conversion):
            raise SettingError(f"the setting {name!r} asks for {{{wanted}}}, which is not there to fill in", advice)
