"""Building the whole site: say what will happen, see to the host, run the recipes, build every language, say what happened."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from kvmdocs.core.errors import Evidence, GuideError, HostLacks, KvmdocsError
from kvmdocs.core.model import Freshness, Mode
from kvmdocs.core.settings import find_root
from kvmdocs.core.units import duration, size
from kvmdocs.execution import modes, progress, report
from kvmdocs.execution.project import Project
from kvmdocs.execution.result import RunResult
from kvmdocs.host.packages import confirm, detect_manager, install, obstacle, typed
from kvmdocs.site import pdf, root_pages
from kvmdocs.site.layout import layout
from kvmdocs.site.plugin.warnings import CONFIG_LOGGER, WarningLocations
from kvmdocs.site.publisher import earlier
from kvmdocs.site.staging import Stage, stage
from kvmdocs.site.status.built import failures
from kvmdocs.site.versions import LATEST, unversioned

KEEP_GOING = (
    "to have the site nevertheless, with the failure shown on its pages: kvmdocs build --keep-going (make site KEEP_GOING=1)"
)
"""What to type after a build that failed."""


class SiteBuild:
    """One build of a project's site.

    Args:
        root: The project's folder.
        install: Whether to install host packages that are missing.
        require: Whether a skip for want of a package is an error.
        output: Where the site goes; if not given, ``site`` in the project's folder, or the folder that its configurations' ``site_dir`` have in common.
        keep_going: Whether to build the site although recipes failed, and show that on their pages.
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
        """Build it, and have it take the place of the old one when it is whole.

        Raises:
            GuideError: A guide is wrong, or MkDocs found something wrong with the site.
            SettingError: The site cannot go where it is told to.
            RecipeFailed: A recipe failed; with `keep_going` the site is built nevertheless.
            HostLacks: A package is missing and `require` is set, or nothing but disk or another thing of the host was lacking.
        """
        began = time.monotonic()
        if self._project.settings["site.pdf"]:
            pdf.program()  # not found out after an hour
        with stage(layout(self._project, self._output)) as staged:
            self._check_guides()
            outcome = self._records()
            self._check_outcome(outcome)
            try:
                pages = self._build_pages(outcome, staged)
                shown = self._check_shown(outcome, staged)
                self._print_pages(staged)
            except KvmdocsError as error:
                error.message += "; the site is as it was"
                raise
            staged.publish()
        for line in report.summary(outcome):
            click.echo(line)
        click.echo(f"took {duration(time.monotonic() - began)}")
        for page in pages:
            click.echo(f"open {page}")
        if shown:
            raise outcome.failure(_built_with(outcome, shown)).seen(
                advice="mend what failed and build again; a site that shows failures is not published"
            )

    def _records(self) -> RunResult:
        """The records of all that the guides ask for, made or found as the project's mode wants."""
        wanted = self._project.catalog.shown_recipes()
        if self._project.mode is Mode.RECORDED:
            return modes.recorded(self._project, wanted)
        executor = modes.executor(self._project, progress.reporter(), wanted, require=self._require)
        stale = executor.stale(wanted)
        if stale:
            self._announce(stale)
            tools = {tool for name in stale for tool in self._project.catalog.get(name).recipe.tools}
            if self._install:
                install_missing(self._project, tuple(sorted(tools)), require=self._require)
        return executor.run(wanted)

    def _check_guides(self) -> None:
        problems = self._project.catalog.problems
        if problems:
            raise GuideError("\n\n".join(problem.report() for problem in problems))

    def _announce(self, stale: list[str]) -> None:
        """Say what is about to happen, about how long it takes and how much disk it needs."""
        recipes = [self._project.catalog.get(name).recipe for name in stale]
        last = {name: self._project.store.latest(name) for name in stale}
        seconds = sum(record.seconds if (record := last[recipe.name]) else recipe.expects for recipe in recipes)
        disk = sum(recipe.disk for recipe in recipes)
        click.echo(
            f"{len(recipes)} recipe{'s' if len(recipes) > 1 else ''} to run: about {duration(seconds)} on a machine with two processors, "
            f"up to {size(disk)} of disk in {self._project.store.path}"
        )
        click.echo(f"  {', '.join(stale)}")

    def _check_outcome(self, outcome: RunResult) -> None:
        """End the build if recipes failed, or say so at once: whatever goes wrong after that, it has been told."""
        failed = outcome.failed()
        if not failed:
            return
        told = report.describe_failures(failed.values(), self._project.catalog, self._project.store)
        count = f"{report.recipes(len(failed))} failed"
        if not self._keep_going:
            raise outcome.failure(f"{count}; the site is as it was\n\n{told}").seen(advice=KEEP_GOING)
        click.echo(f"{count}, which the site will show\n\n{told}\n", err=True)

    def _check_shown(self, outcome: RunResult, staged: Stage) -> dict[str, list[Path]]:
        """The places of the site that show each recipe that failed.

        Raises:
            GuideError: The site does not say that it failed.
        """
        failed = outcome.failed()
        shown = failures(staged.site) if failed else {}
        if unsaid := [name for name in failed if name not in shown]:
            raise GuideError(
                f"the site does not say that {', '.join(unsaid)} failed",
                Evidence(
                    advice="the plugin kvmdocs shows failures: have it in each configuration, or build without --keep-going"
                ),
            )
        return {name: [staged.later(staged.site / place) for place in places] for name, places in shown.items()}

    def _build_pages(self, outcome: RunResult, staged: Stage) -> list[Path]:
        """Build every language; returns the pages to open."""
        root, output = self._project.root, staged.site
        token = earlier.set(outcome)
        try:
            sites = [build_pages(root / name, output, output / part) for name, part in staged.layout.parts.items()]
            if version := self._project.settings["site.version"]:
                sites = [replace(site, url=unversioned(site.url, version), newest=f"{LATEST}/") for site in sites]
        finally:
            earlier.reset(token)
        folder = self._project.settings["project.root_pages"]
        if folder:
            root_pages.write(root / folder, output, sites)
            return [staged.later(output / "index.html")]
        return [staged.later(page) for page in sorted(output.rglob("index.html"))[:1]]

    def _print_pages(self, staged: Stage) -> None:
        """Print every language where a PDF is wanted."""
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


def _built_with(outcome: RunResult, shown: dict[str, list[Path]]) -> str:
    """That a site was built with failures, and where it shows them."""
    blocked = outcome.names(freshness=Freshness.BLOCKED)
    rest = f" ({len(blocked)} not run because of that)" if blocked else ""
    lines = [f"the site was built with {len(shown)} failed {'recipe' if len(shown) == 1 else 'recipes'}{rest}, which it shows:"]
    for name, places in shown.items():
        lines += [f"  {name}  {place}" for place in places] or [f"  {name}  on the pages of what builds on it"]
    return "\n".join(lines)


def build_pages(config: Path, output: Path, folder: Path | None = None) -> root_pages.SiteLanguage:
    """Build one language with MkDocs, strictly, into `folder`, else into the one in `output` that its configuration names; returns what it is called.

    Raises:
        GuideError: The configuration or a page is wrong.
    """
    # Material prints a notice about the end of MkDocs 1 on every build; the lock file answers it.
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
    with contextlib.suppress(ImportError):
        # The search plugin's word splitter for Chinese reports its loading times on standard error.
        import jieba

        jieba.setLogLevel(logging.WARNING)
    from jinja2 import TemplateError
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort, MkDocsException
    from pymdownx.snippets import SnippetMissingError

    # The command line of MkDocs is what shows its warnings otherwise; an error without them says only that there were some.
    shown = logging.StreamHandler()
    shown.setLevel(logging.WARNING)
    shown.setFormatter(logging.Formatter(f"{config.name}: %(levelname)s: %(message)s"))
    logging.getLogger("mkdocs").addHandler(shown)
    # The plugin sees to the lines of all other warnings; it is not there before the configuration is read.
    places = WarningLocations(find_root(config.parent), config.parent, config)
    places.attach(CONFIG_LOGGER)
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
        places.detach(CONFIG_LOGGER)
        logging.getLogger("mkdocs").removeHandler(shown)


def install_missing(project: Project, tools: tuple[str, ...], *, require: bool) -> None:
    """Install the packages of those tools that the host lacks, after naming them and asking.

    Without rights or on a system whose package manager is not known the command is printed and the build goes on; what it cannot do is skipped.

    Raises:
        HostLacks: Something is missing, cannot be installed, and `require` is set.
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
        if not obstacle(manager) and not confirm("install them now?"):
            _decline(command)
        install(missing, manager)
    except HostLacks as error:
        if require:
            raise
        click.echo(f"{error.message}; going on without them: recipes that need them are skipped", err=True)


def _decline(command: str) -> NoReturn:
    raise HostLacks("not installed: it was not wanted", Evidence(advice=command))
