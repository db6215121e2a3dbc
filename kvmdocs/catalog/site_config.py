"""Settings of a site that decide what a guide is and how it is read: those of ``mkdocs.yml`` and ``mkdocs.*.yml``.

The files are only read. MkDocs itself would load all plugins, which the command line and the tests do not need.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

_ALWAYS_OUT = ("node_modules", "__pycache__")
_EDITOR_FILES = ("._", "#", "~$")
"""Beginnings of the names of files that editors and file systems leave."""


@dataclass(frozen=True)
class SiteConfig:
    """Settings of one site.

    Attributes:
        path: Its file.
        data: Its content, with what it inherits.
    """

    path: Path
    data: Mapping[str, Any] = field(hash=False)

    @property
    def docs(self) -> Path:
        """Folder of its pages."""
        return self.path.parent / str(self.data.get("docs_dir") or "docs")

    @cached_property
    def extensions(self) -> dict[str, dict[str, Any]]:
        """Options of each Markdown extension, by its name, with those that MkDocs always adds."""
        found: dict[str, dict[str, Any]] = {"toc": {}, "tables": {}, "fenced_code": {}}
        listed = self.data.get("markdown_extensions") or []
        for one in listed.items() if isinstance(listed, Mapping) else listed:
            if isinstance(one, tuple):
                found[one[0]] = dict(one[1] or {})
            elif isinstance(one, Mapping):
                found.update({name: dict(options or {}) for name, options in one.items()})
            else:
                found[str(one)] = {}
        return found

    def excludes(self, page: Path) -> bool:
        """Check whether the site leaves out a page (``exclude_docs``, ``draft_docs``)."""
        return page.is_relative_to(self.docs) and self._excluded.match_file(page.relative_to(self.docs).as_posix())

    @cached_property
    def _excluded(self) -> Any:
        from pathspec.gitignore import GitIgnoreSpec

        lines = [line for name in ("exclude_docs", "draft_docs") for line in str(self.data.get(name) or "").splitlines()]
        return GitIgnoreSpec.from_lines(lines)


def site_configs(root: Path) -> tuple[SiteConfig, ...]:
    """Return the settings of the sites of a project. A file that cannot be read counts as empty: MkDocs reports it."""
    files = sorted({root / "mkdocs.yml", *root.glob("mkdocs.*.yml"), *root.glob("mkdocs.yaml")})
    return tuple(_load(path, _stamp(path)) for path in files if path.is_file())


def config_of(root: Path, guide: Path) -> SiteConfig:
    """Return the settings of the site that a guide belongs to; empty ones if there is none."""
    configs = site_configs(root)
    inside = [config for config in configs if guide.is_relative_to(config.docs)]
    return next(iter(inside or configs), SiteConfig(root / "mkdocs.yml", {}))


def find_guides(root: Path, folder: Path) -> Iterator[Path]:
    """Yield the Markdown files below a folder that belong to a site, followed through links.

    Left out are hidden files and folders, environments, files of editors, and pages that the site's settings exclude.
    """
    configs = site_configs(root)
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else sorted(one for one in folders if _is_in(Path(place, one)))
        if real not in seen:
            found = (Path(place, name) for name in files if name.endswith((".md", ".markdown")) and _is_guide_name(name))
            yield from (path for path in found if not any(config.excludes(path) for config in configs))
        seen.add(real)


def is_guide(root: Path, path: Path) -> bool:
    """Check whether a Markdown file may be a guide: `find_guides` would yield it."""
    parts = path.relative_to(root).parts if path.is_relative_to(root) else (path.name,)
    return (
        _is_guide_name(path.name)
        and all(_is_in(Path(root, *parts[:end])) for end in range(1, len(parts)))
        and not any(config.excludes(path) for config in site_configs(root))
    )


def _is_in(folder: Path) -> bool:
    """Check whether a folder may hold guides: it is neither hidden nor an environment."""
    return folder.name[:1] != "." and folder.name not in _ALWAYS_OUT and not os.path.exists(folder / "pyvenv.cfg")


def _is_guide_name(name: str) -> bool:
    return not name.startswith((".", *_EDITOR_FILES)) and not name.endswith("~")


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=32)
def _load(path: Path, stamp: tuple[int, int]) -> SiteConfig:
    del stamp  # a file that changed is read again
    return SiteConfig(path, _read(path))


def _read(path: Path, depth: int = 0) -> dict[str, Any]:
    """Return the content of a file with that of the file it inherits from."""
    import yaml

    try:
        data = yaml.load(path.read_text("utf-8-sig"), _loader())  # noqa: S506  # a safe loader that ignores tags
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    if not isinstance(data, dict):
        return {}
    parent = data.pop("INHERIT", None)
    return _merged(_read(path.parent / str(parent), depth + 1), data) if parent and depth < 8 else data


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    return base | {
        name: _merged(base[name], value) if isinstance(value, dict) and isinstance(base.get(name), dict) else value
        for name, value in over.items()
    }


@lru_cache(maxsize=1)
def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Loader that gives the plain value of what has a tag of its own, such as ``!ENV`` or ``!relative``."""

    def plain(loader: Loader, _suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return node.value
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None

    Loader.add_multi_constructor("", plain)
    return Loader
