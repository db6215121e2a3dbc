"""Versions of a site, published side by side: ``en/7.2/``, ``en/10.2/``, ``zh/7.2/`` and so on.

The setting ``site.version`` is the version of a build. Each language has its own list of versions, because the theme's
version selector looks for it one folder up. Links to the other language lead to the same version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvmdocs.core.errors import Evidence, SettingError

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

LATEST = "latest"
"""Alias of the newest version."""


def check(version: str) -> str:
    """Return the version unchanged if it can be the name of a folder.

    Raises:
        SettingError: It cannot.
    """
    if (
        not version
        or version in {".", "..", LATEST}
        or not all(character.isalnum() or character in "._+-" for character in version)
    ):
        raise SettingError(
            f"a site cannot be published as the version {version!r}",
            Evidence(advice=f"use letters, digits, dots and hyphens, such as 10.2; {LATEST!r} is reserved"),
        )
    return version


def versioned(config: MkDocsConfig, version: str) -> None:
    """Change a site's address and its links to other languages to those of a version."""
    config.site_url = f"{config.site_url}{version}/" if config.site_url else None
    config.extra["version"] = {"provider": "mike", "default": [LATEST]}
    for other in config.extra.get("alternate", ()):
        if other["link"].startswith("../"):
            other["link"] = f"../{other['link']}{version}/"


def unversioned(address: str, version: str) -> str:
    """Return the address of a language, above its versions."""
    return address.removesuffix(f"{version}/")
