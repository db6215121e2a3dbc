"""A site that is published beside its earlier versions: ``en/7.2/``, ``en/10.2/``, ``zh/7.2/`` and so on.

The setting ``site.version`` says which version a build is. Each language has a list of its versions, so that the theme's own selector, which looks one
folder up, finds it; the way to the other language leads to the same version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvmdocs.core.errors import Evidence, SettingError

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

LATEST = "latest"
"""The name under which the newest version is found."""


def check(version: str) -> str:
    """The version itself, when it can be a folder's name.

    Raises:
        SettingError: It cannot.
    """
    if not version or version in {".", "..", LATEST} or not all(sign.isalnum() or sign in "._+-" for sign in version):
        raise SettingError(
            f"a site cannot be published as the version {version!r}",
            Evidence(advice=f"take letters, digits, dots and hyphens, such as 10.2; {LATEST!r} is given by itself"),
        )
    return version


def versioned(config: MkDocsConfig, version: str) -> None:
    """Have a site's addresses and links be those of a version."""
    config.site_url = f"{config.site_url}{version}/" if config.site_url else None
    config.extra["version"] = {"provider": "mike", "default": [LATEST]}
    for other in config.extra.get("alternate", ()):
        if other["link"].startswith("../"):
            other["link"] = f"../{other['link']}{version}/"


def unversioned(address: str, version: str) -> str:
    """The address of a language's site above all of its versions."""
    return address.removesuffix(f"{version}/")
