"""Defaults of the engine's own settings."""

from __future__ import annotations

from typing import Any

DEFAULTS: dict[str, Any] = {
    # What a build does about stale recipes (`kvmdocs.execution.modes`).
    "mode": "live",
    # Package of the recipes.
    "project.recipes": "recipes",
    # Folders of the guides, one for each language, each with the same pages.
    "project.docs": ["docs"],
    # MkDocs configurations, one for each language.
    "project.configs": ["mkdocs.yml"],
    # Table of host packages.
    "project.packages": "",
    # Titles of recipes in further languages (`kvmdocs.catalog.titles`).
    "project.titles": "",
    # Tools of that table that the project's tests need beside those that recipes declare.
    "project.tools": [],
    # Tools of that table with which a reader reaches guests and monitors.
    "project.terminals": [],
    # Folder of the pages above all languages (`kvmdocs.site.root_pages`).
    "project.root_pages": "",
    # URL templates for editing a guide and for reporting a problem (`kvmdocs.site.edit_links`).
    "site.edit": "",
    "site.report": "",
    # URL from which a reader clones the project (`kvmdocs.site.summary.source`).
    "site.source": "",
    # Commit that the site is built from; empty: ask git.
    "site.commit": "",
    # Version that the site is published as (`kvmdocs.site.versions`).
    "site.version": "",
    # File name of the printed site; empty: the site is not printed.
    "site.pdf": "",
    # Folder of the store; empty: in the user's cache folder.
    "store.path": "",
    # Folder of the workspaces as a reader sees it (`kvmdocs.core.paths`).
    "lab.folder": "~/kvm-lab",
    # Label of this host in records.
    "host.name": "",
    # Processors for all recipes that run at once; 0: all there are.
    "limits.cpus": 0,
    # Recipes that run at once; 0: as many as processors and memory allow.
    "limits.jobs": 0,
    # Bytes of memory for all recipes that run at once; 0: all there is.
    "limits.memory": 0,
    # Factor on the memory that a recipe declares; above it, and above 1 GiB, the recipe is killed. 0: no limit.
    "limits.memory_times": 2.0,
    # Times that the processors may be promised to recipes that use all of them: a build's serial parts leave processors idle.
    "limits.overcommit": 2.0,
    # Bytes of the largest log of one step.
    "limits.log": 16 * 1024 * 1024,
    # Seconds for which the result of a capability probe is reused.
    "limits.tries_age": 3600,
    # Seconds that the last run of a recipe may have taken for `mkdocs serve` to rerun it by itself.
    "limits.serve": 60.0,
    # Seconds that a connection to a source may take.
    "network.connect": 4.0,
    # Further environment variables whose values are secret; `*` matches any text (`kvmdocs.core.secrets.environment`).
    "secrets.variables": [],
    # Environment variables whose values are not secret although their names suggest it.
    "secrets.exempt": [],
}
"""The engine's own settings with their defaults. Numbers are 0 or more."""
