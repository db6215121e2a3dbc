"""The MkDocs plugin: thin, and adding only what needs to know the whole site.

Before the first page is rendered it runs all that the guides ask for, in parallel and with progress, and gives one list of what
failed. It tells `show()` which page it prints into and offers whole logs as downloads. A site without the plugin still builds.

In ``mkdocs serve`` it waits for nothing and stops for nothing: pages show what there is, and `kvmdocs.site.serve.runner` runs what is cheap meanwhile.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from markdown_exec import formatter
from mkdocs import plugins
from mkdocs.config import config_options
from mkdocs.config.base import Config
from mkdocs.exceptions import PluginError
from mkdocs.plugins import BasePlugin, get_plugin_logger
from mkdocs.structure.files import Files
from mkdocs.utils import get_relative_url

from kvmdocs.core.errors import KvmdocsError
from kvmdocs.core.model import Mode, Record
from kvmdocs.core.settings import FILE, Settings, find_root
from kvmdocs.execution.project import Project
from kvmdocs.recording.recipe import presenter, presenting
from kvmdocs.render import Language
from kvmdocs.site.edit_links import Feedback
from kvmdocs.site.plain_pages import PlainPages
from kvmdocs.site.plugin import records as mkdocs_records
from kvmdocs.site.plugin import status_pages, stylesheets
from kvmdocs.site.plugin.log_links import LogLinks
from kvmdocs.site.plugin.script_links import ScriptLinks
from kvmdocs.site.plugin.warnings import Targets, WarningLocations
from kvmdocs.site.publisher import Publisher
from kvmdocs.site.serve.view import ServeView
from kvmdocs.site.status import view_of
from kvmdocs.site.status.page import StatusView
from kvmdocs.site.versions import check, versioned

if TYPE_CHECKING:
    from jinja2 import Environment
    from markdown import Markdown
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.livereload import LiveReloadServer
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page
    from mkdocs.utils.templates import TemplateContext

log = get_plugin_logger("kvmdocs")


class KvmdocsConfig(Config):  # type: ignore[no-untyped-call]  # MkDocs leaves this method untyped
    """The plugin's options in ``mkdocs.yml``."""

    enabled = config_options.Type(bool, default=True)
    """Whether the plugin does anything; without it, blocks still run one by one."""
    mode = config_options.Choice(("", *Mode), default="")
    """What is done about stale recipes (`kvmdocs.execution.modes`); what the settings say if empty. ``KVMDOCS_MODE`` wins."""

    status_page = config_options.Type(str, default="status.md")
    """The guide that is the status page, to which the line under each page's title leads; it need not be there."""
    badges = config_options.Type(bool, default=True)
    """Whether a page that shows recipes has a line under its title that says how they stand."""
    plain_pages = config_options.Type(bool, default=True)
    """Whether a built site has each page as Markdown, too, and all of them in ``llms-full.txt``."""


class KvmdocsPlugin(BasePlugin[KvmdocsConfig]):  # type: ignore[no-untyped-call]  # the same
    """See the module."""

    def __init__(self) -> None:
        self._serving = False
        self._publisher: Publisher | None = None
        self._presenting: presenting | None = None
        self._page: Page | None = None
        self._logs = LogLinks()
        self._looking = mkdocs_records.ServeRecords()
        self._view: ServeView | None = None
        self._guides: list[Path] = []
        self._feedback = Feedback()
        self._places: WarningLocations | None = None
        self._targets = Targets()
        self._scripts = ScriptLinks()
        self._status: StatusView | None = None
        self._status_page = ""
        self._plain: PlainPages | None = None
        self._order: list[str] = []

    def on_startup(self, *, command: Literal["build", "gh-deploy", "serve"], dirty: bool) -> None:
        """Remember whether somebody edits while this runs. Its mere presence keeps the plugin alive between builds."""
        del dirty
        self._serving = command == "serve"

    @plugins.event_priority(-50)  # after markdown-exec has put its fences there
    def on_config(self, config: MkDocsConfig) -> MkDocsConfig:
        """Let what only shows recipes into the page as the HTML it is; see `as_html`. From here on warnings name their lines.

        Raises:
            PluginError: The settings cannot be read.
        """
        if self.config.enabled:
            self._name_places(config)
            try:
                settings = Settings.load(find_root(Path(config.config_file_path or ".").parent))
                if version := settings["site.version"]:
                    versioned(config, check(version))
                config.extra["pdf"] = settings["site.pdf"]
            except KvmdocsError as error:
                raise PluginError(error.report()) from error
            for fence in config.mdx_configs.get("pymdownx.superfences", {}).get("custom_fences", []):
                if fence["name"] in {"python", "py"} and fence["format"] is formatter:
                    fence["format"] = as_html
        return config

    def _name_places(self, config: MkDocsConfig) -> None:
        if self._places is not None:
            self._places.detach()  # of a build that ended early
        path = Path(config.config_file_path or "mkdocs.yml").absolute()
        self._places = WarningLocations(find_root(path.parent), Path(config.docs_dir), path)
        self._places.attach()
        self._targets = Targets()

    def on_files(self, files: Files, *, config: MkDocsConfig) -> Files:
        """Run all that this site's guides ask for.

        Raises:
            PluginError: A guide is wrong or a recipe failed; the message lists all of them.
        """
        if not self.config.enabled:
            # MkDocs keeps the plugin from the language that was built before.
            self._publisher, self._plain = None, None
            return files
        root = find_root(Path(config.config_file_path).parent if config.config_file_path else None)
        if self._serving:
            mkdocs_records.forget_modules(root)
        self._guides = [Path(page.abs_src_path) for page in files.documentation_pages() if page.abs_src_path]
        view: ServeView | None = None
        try:
            project = Project(root, guides=self._guides, mode=self.config.mode)
            self._feedback = Feedback.load(project.settings)
            view = self._looking.look(project) if self._serving else ServeView(mkdocs_records.run(project))
        except KvmdocsError as error:
            if not self._serving:
                raise PluginError(error.report()) from error
            # Pages show what their blocks come to without the recipes; the next save builds them again.
            log.error(error.report())  # noqa: TRY400  # its author needs no traceback of the engine
            project = mkdocs_records.bare(root)
        self._view = view
        shown = view or ServeView()
        self._logs.offer(files, config, project, shown.outcome)
        record_of = partial(mkdocs_records.shown, project, shown.outcome)
        try:
            self._scripts.offer(files, config, project, self._guides, record_of)
        except KvmdocsError as error:  # an approved record that cannot be read
            if not self._serving:
                raise PluginError(error.report()) from error
            log.error(error.report())  # noqa: TRY400  # its author needs no traceback of the engine
        language = Language.of(str(config.theme.get("language", "en")))
        self._publisher = Publisher(
            project,
            shown.outcome,
            language,
            self._log,
            tolerant=self._serving,
            failed=shown.outcome.failed(),
            reasons=shown.reasons,
            scripts=self._scripts.urls(),
        )
        if self._places is not None:
            self._places.told = self._publisher.problems
            self._places.mask = project.secrets.mask
        self._presenting = presenting(self._publisher)
        self._presenting.__enter__()
        return files

    def on_page_context(self, context: TemplateContext, *, page: Page, config: MkDocsConfig, **_: Any) -> None:
        """Say where the page's guide is edited and a problem with it reported; the theme's templates make links of it."""
        del context
        guide = Path(page.file.abs_src_path) if page.file.abs_src_path else None
        if not self._publisher or not guide:
            return
        path = self._publisher.project.catalog.shown(guide)
        records = self._publisher.shown.get(guide, {}).values()
        language = Language.of(str(config.theme.get("language", "en")))
        page.edit_url = self._feedback.edit_url(path) or page.edit_url
        page.meta["report_url"] = self._feedback.report_url(path, str(page.title), records, language)

    def on_nav(self, nav: Navigation, *, config: MkDocsConfig, files: Files) -> Navigation:
        """Now that it is known which page is where: report how the recipes stand.

        Raises:
            PluginError: An approved record cannot be read.
        """
        self._status = None
        if self._publisher is None:
            return nav
        pages = status_pages.guide_pages(files, self._publisher.project)
        self._publisher.pages = status_pages.in_order(pages, [page.url for page in nav.pages])
        self._publisher.relative = self._relative
        page = files.get_file_from_path(self.config.status_page)
        self._status_page = page.url if page else ""
        self._order = [one.file.dest_uri for one in nav.pages]
        self._plain = None
        if self.config.plain_pages and not self._serving:
            self._plain = PlainPages(self._publisher.project.store, page.dest_uri if page else "")
        try:
            self._status = view_of(self._publisher)
        except KvmdocsError as error:
            if not self._serving:
                raise PluginError(error.report()) from error
            log.error(error.report())  # noqa: TRY400  # its author needs no traceback of the engine
            return nav
        status_pages.offer(files, config, self._status, self._publisher.project.secrets.mask)
        return nav

    def _log(self, record: Record, name: str) -> str | None:
        return self._logs.link(record, name, self._page)

    def _relative(self, url: str) -> str:
        return get_relative_url(url, self._page.url) if self._page else url

    def on_page_markdown(self, markdown: str, *, page: Page, **_: Any) -> None:
        """Note which page is rendered next."""
        del markdown
        self._page = page
        if self._publisher and self._places and page.file.abs_src_path:
            self._places.page = Path(page.file.abs_src_path)
            self._publisher.turn_to(self._places.page)

    def on_page_content(self, html: str, *, page: Page, **_: Any) -> str:
        """Say under the page's title how its recipes stand, put the link to its script there, and note what the page leads to.

        What failed is said first, so that the page as Markdown has it as well.
        """
        if self._publisher and self._status is not None:
            mask = self._publisher.project.secrets.mask
            html = status_pages.with_failures(html, page, self._status, self._status_page, mask)
        if self._plain is not None:
            self._plain.take(html, page)
        if self._publisher and page.file.abs_src_path:
            html = self._scripts.put(html, page, self._publisher.language)
        if self._status is not None and self.config.badges:
            html = status_pages.with_badge(html, page, self._status, self._status_page)
        if self._publisher and page.file.abs_src_path:
            self._targets.read(html, Path(page.file.abs_src_path), page.url)
        return html

    def on_env(self, env: Environment, *, config: MkDocsConfig, files: Files) -> None:
        """All pages are rendered and none is written yet: the last moment to change which style sheets they have.

        Raises:
            PluginError: A block could not show what it wants to, of which markdown-exec only warns, or a page leads to what is
                not there; the message lists all of them.
        """
        del env
        if self._publisher is None or self._places is None:
            return
        stylesheets.bundle(files, config)
        problems = [*self._publisher.problems, *self._targets.missing({file.dest_uri for file in files}, self._places)]
        if problems:
            told = "\n\n".join(problem.report() for problem in problems)
            if not self._serving:
                raise PluginError(told)
            log.error(told)

    def on_post_build(self, *, config: MkDocsConfig, **_: Any) -> None:
        """The site is built; what is worth running may have the processors now."""
        self._leave()
        if self._plain is not None:
            self._plain.write(config, self._order)
        if self._looking.background and self._publisher and self._view:
            self._looking.background.want(self._publisher.project, self._guides, self._view.wanted)

    def on_build_error(self, **_: Any) -> None:
        """The site could not be built."""
        self._leave()

    def on_shutdown(self) -> None:
        """The server ends, and so does all that it started."""
        self._looking.stop()

    def _leave(self) -> None:
        if self._places is not None:
            self._places.detach()
            self._places = None
        if self._presenting is not None:
            self._presenting.__exit__(None, None, None)
            self._presenting = None

    def on_serve(self, server: LiveReloadServer, **_: Any) -> LiveReloadServer:
        """Build again when a recipe or a setting changes."""
        if self._publisher is not None:
            project = self._publisher.project
            for path in (project.root / project.settings["project.recipes"].replace(".", "/"), project.root / FILE):
                if path.exists():
                    server.watch(str(path))
        if self._looking.background is not None:
            server.watch(str(self._looking.background.folder))
        return server


def as_html(source: str, language: str, css_class: str, options: dict[str, Any], md: Markdown, **kwargs: Any) -> str:
    """markdown-exec's formatter, with its option ``html`` set for a block that prints nothing but transcripts.

    By default markdown-exec runs a block's output through a Markdown converter that it makes for that block. A transcript is HTML and comes
    out as it went in, so a site of many transcripts spends much of its time on that.
    """
    only_shows = ".show(" in source and "print(" not in source and "render=" not in source
    given = {**options, "html": True} if only_shows and not options.get("source") else options
    html = formatter(source, language, css_class, given, md, **kwargs)
    # What a block prints past a record, or has of one from before secrets were kept out of records.
    shown = presenter()
    return type(html)(shown.project.secrets.mask(html)) if isinstance(shown, Publisher) else html
