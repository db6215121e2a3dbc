"""Build of the whole site: announce what will run, install missing packages, run the recipes, build every language, report."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from dataclasses import replace
from pathlib import Path

import click

from kvmdocs.core.errors import Evidence, GuideError, HostLacks, KvmdocsError
from kvmdocs.core.model import Freshness, Mode
from kvmdocs.core.settings import find_root
from kvmdocs.core.units import duration, size
from kvmdocs.execution import modes, progress, report
from kvmdocs.execution.project import Project
from kvmdocs.execution.run_result import RunResult
from kvmdocs.host.packages import confirm, detect_manager, install, obstacle, typed
from kvmdocs.site import pdf, root_pages
from kvmdocs.site.layout import layout
from kvmdocs.site.plugin.warnings import CONFIG_LOGGER, WarningLocations
from kvmdocs.site.publisher import command_result
from kvmdocs.site.staging import Stage, stage
from kvmdocs.site.status.built import failures
from kvmdocs.site.versions import LATEST, unversioned

KEEP_GOING = (
    "to build the site anyway, with the failure shown on its pages: kvmdocs build --keep-going (make site KEEP_GOING=1)"
)
"""Advice after a build that failed."""


class SiteBuild:
    """One build of a project's site.

    Args:
        root: The project's folder.
        install: Whether to install missing host packages.
        require: Whether it is an error if a recipe is skipped because of a missing package.
        output: The site's folder; by default ``site`` in the project's folder, or the common folder of its configurations'
            ``site_dir``.
        keep_going: Whether to build the site even if recipes fail, with the failures shown on their pages.
    """

    def __init__(
        self, root: Path | None, *, install: bool, require: bool, output: Path | None = None, keep_going: bool = False
    ) -> None:
        self._project = Project(root)
        self._install = install
        self._require = require
        self._output = output
        self._keep_going = keep_going

    def build(self) -> None:
        """Build the site, and replace the old one when the new one is complete.

        Raises:
            GuideError: A guide is wrong, or MkDocs found an error.
            SettingError: The site's folder is not suitable.
            RecipeFailed: A recipe failed; with `keep_going` the site is built anyway.
            HostLacks: A package is missing and `require` is set, all failures are due to something missing on the host, or
                a file cannot be read or written.
        """
        start = time.monotonic()
        if self._project.settings["site.pdf"]:
            pdf.program()  # a missing browser is reported now, not after an hour
        with stage(layout(self._project, self._output)) as staged:
            self._check_guides()
            result = self._records()
            self._check_result(result)
            try:
                pages = self._build_pages(result, staged)
                pages_of_failed = self._check_shown(result, staged)
                self._print_pages(staged)
            except KvmdocsError as error:
                error.message += "; the site is as it was"
                raise
            staged.publish()
        for line in report.summary(result):
            click.echo(line)
        click.echo(f"took {duration(time.monotonic() - start)}")
        for page in pages:
            click.echo(f"open {page}")
        if pages_of_failed:
            raise result.failure(_built_with(result, pages_of_failed)).seen(
                advice="correct what failed and build again; a site that shows failures cannot be published"
            )

    def _records(self) -> RunResult:
        """Return the records of all recipes that the guides show, made or found as the project's mode says."""
        names = self._project.catalog.shown_recipes()
        if self._project.mode is Mode.RECORDED:
            return modes.recorded(self._project, names)
        executor = modes.executor(self._project, progress.progress_listener(), names, require=self._require)
        stale = executor.stale(names)
        if stale:
            self._announce(stale)
            tools = {tool for name in stale for tool in self._project.catalog.get(name).recipe.tools}
            if self._install:
                install_missing(self._project, tuple(sorted(tools)), require=self._require)
        return executor.run(names)

    def _check_guides(self) -> None:
        problems = self._project.catalog.problems
        if problems:
            raise GuideError("\n\n".join(problem.report() for problem in problems))

    def _announce(self, stale: list[str]) -> None:
        """Print which recipes will run, for how long, and how much disk space they need."""
        recipes = [self._project.catalog.get(name).recipe for name in stale]
        latest = {name: self._project.store.latest(name) for name in stale}
        seconds = sum(record.seconds if (record := latest[recipe.name]) else recipe.expects for recipe in recipes)
        disk = sum(recipe.disk for recipe in recipes)
        click.echo(
            f"{report.recipes(len(recipes))} to run: about {duration(seconds)} on a machine with two processors, "
            f"up to {size(disk)} of disk in {self._project.store.path}"
        )
        click.echo(f"  {', '.join(stale)}")

    def _check_result(self, result: RunResult) -> None:
        """End the build if recipes failed; with `keep_going`, print the failures now, whatever goes wrong later."""
        failed = result.failed()
        if not failed:
            return
        details = report.describe_failures(failed.values(), self._project.catalog, self._project.store)
        count = f"{report.recipes(len(failed))} failed"
        if not self._keep_going:
            raise result.failure(f"{count}; the site is as it was\n\n{details}").seen(advice=KEEP_GOING)
        click.echo(f"{count}; the site will show that\n\n{details}\n", err=True)

    def _check_shown(self, result: RunResult, staged: Stage) -> dict[str, list[Path]]:
        """Return the pages that show each failed recipe, by recipe.

        Raises:
            GuideError: The site does not show a failure.
        """
        failed = result.failed()
        shown = failures(staged.site) if failed else {}
        if missing := [name for name in failed if name not in shown]:
            raise GuideError(
                f"the site does not say that {', '.join(missing)} failed",
                Evidence(
                    advice="the plugin kvmdocs shows failures: have it in each configuration, or build without --keep-going"
                ),
            )
        return {name: [staged.later(staged.site / place) for place in places] for name, places in shown.items()}

    def _build_pages(self, result: RunResult, staged: Stage) -> list[Path]:
        """Build every language, and return the pages to open."""
        root, output = self._project.root, staged.site
        token = command_result.set(result)
        try:
            sites = [build_pages(root / name, output, output / part) for name, part in staged.layout.parts.items()]
            if version := self._project.settings["site.version"]:
                sites = [replace(site, url=unversioned(site.url, version), newest=f"{LATEST}/") for site in sites]
        finally:
            command_result.reset(token)
        folder = self._project.settings["project.root_pages"]
        if folder:
            root_pages.write(root / folder, output, sites)
            return [staged.later(output / "index.html")]
        return [staged.later(page) for page in sorted(output.rglob("index.html"))[:1]]

    def _print_pages(self, staged: Stage) -> None:
        """Print every language as a PDF, if the settings say so."""
        settings = self._project.settings
        if not settings["site.pdf"]:
            return
        folders = [staged.site / part for part in staged.layout.parts.values()]
        for printed in pdf.print_site(
            self._project.root,
            settings["project.configs"],
            staged.site,
            settings["site.pdf"],
            folders,
            version=settings["site.version"],
        ):
            click.echo(f"printed {staged.later(printed.path)}: {printed.pages} pages, {size(printed.size)}")


def _built_with(result: RunResult, shown: dict[str, list[Path]]) -> str:
    """Return a message that the site was built with failures, and which pages show them."""
    blocked = result.names(freshness=Freshness.BLOCKED)
    rest = f" ({len(blocked)} not run because of that)" if blocked else ""
    lines = [f"the site was built with {len(shown)} failed {'recipe' if len(shown) == 1 else 'recipes'}{rest}, which it shows:"]
    for name, pages in shown.items():
        lines += [f"  {name}  {page}" for page in pages] or [f"  {name}  on the pages of the recipes that build on it"]
    return "\n".join(lines)


def build_pages(config: Path, output: Path, folder: Path | None = None) -> root_pages.SiteLanguage:
    """Build one language with MkDocs in strict mode.

    Args:
        config: The configuration.
        output: The site's folder; the language goes into the folder in it that is named like the configuration's ``site_dir``.
        folder: The folder of the language, if it is another one.

    Returns:
        The language, for the pages above all languages.

    Raises:
        GuideError: The configuration or a page is wrong.
    """
    # Material prints a notice about the end of MkDocs 1 on every build; the lock file pins MkDocs.
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
    with contextlib.suppress(ImportError):
        # The search plugin's word segmentation for Chinese logs its loading times.
        import jieba

        jieba.setLogLevel(logging.WARNING)
    from jinja2 import TemplateError
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort, MkDocsException
    from pymdownx.snippets import SnippetMissingError

    # Usually the command line of MkDocs prints its warnings; the error of a strict build only gives their number.
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter(f"{config.name}: %(levelname)s: %(message)s"))
    logging.getLogger("mkdocs").addHandler(handler)
    # The plugin adds locations to all other warnings; it is loaded by the configuration.
    locations = WarningLocations(find_root(config.parent), config.parent, config)
    locations.attach(CONFIG_LOGGER)
    try:
        loaded = load_config(str(config), strict=True)
        name = Path(loaded.site_dir).name
        if folder or output != config.parent / "site":
            loaded.site_dir = str(folder or output / name)
        loaded.plugins.on_startup(command="build", dirty=False)
        build(loaded)
        loaded.plugins.on_shutdown()
        return root_pages.SiteLanguage(
            lang=str(loaded.theme.get("language", "en")),
            folder=name,
            name=loaded.site_name,
            description=loaded.site_description or "",
            url=loaded.site_url or "",
            words=loaded.extra.get("words", {}),
        )
    except (Abort, MkDocsException, TemplateError, SnippetMissingError) as error:
        raise GuideError(f"{config.name}: {error}", Evidence(advice="mend what is named above")) from error
    finally:
        locations.detach(CONFIG_LOGGER)
        logging.getLogger("mkdocs").removeHandler(handler)


def install_missing(project: Project, tools: tuple[str, ...], *, require: bool) -> None:
    """Install the packages of missing tools, after listing them and asking.

    Without the rights to install, or with an unknown package manager, the command is printed and the build continues;
    recipes that need the tools are skipped.

    Raises:
        HostLacks: A package is missing and cannot be installed, and `require` is set.
    """
    missing = project.tools.missing(tools)
    if not missing:
        return
    manager = detect_manager()
    click.echo("missing on this host:")
    for item in missing:
        click.echo(f"  {item.tool:<16} {item.use or item.reason}")
    command = typed(missing, manager) if manager else ""
    if command:
        click.echo(f"to install them: {command}")
    try:
        if obstacle(manager) or confirm("install them now?"):
            install(missing, manager)  # where there is an obstacle, this raises it
            return
        error = HostLacks("the packages were not installed, as you chose", Evidence(advice=command))
    except HostLacks as failure:
        error = failure
    if require:
        raise error
    click.echo(f"{error.message}; the build continues, and recipes that need them are skipped", err=True)
