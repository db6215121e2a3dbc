"""The MkDocs plugin: adds what needs to know the whole site.

Before the first page is rendered, it runs all recipes that the guides show, in parallel and with progress, and lists all
failures at once. It tells `show()` which page it prints into, and offers whole logs and scripts as downloads. Without the
plugin, blocks run one by one.

In ``mkdocs serve`` it neither waits nor stops at errors: pages show the latest records, and `kvmdocs.site.serve.runner`
runs cheap recipes in the background.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
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

from kvmdocs.catalog.fences import without_commented_fences
from kvmdocs.catalog.guides import only_shows
from kvmdocs.core.errors import KvmdocsError
from kvmdocs.core.model import Mode
from kvmdocs.core.settings import FILE, Settings, find_root
from kvmdocs.execution.project import Project
from kvmdocs.recording.recipe import presenter, presenting
from kvmdocs.render import Language
from kvmdocs.site.edit_links import EditLinks
from kvmdocs.site.plain_pages import PlainPages
from kvmdocs.site.plugin import assets, blocks, records, status_pages, stylesheets
from kvmdocs.site.plugin.build_state import BuildState
from kvmdocs.site.plugin.generated import GeneratedFiles
from kvmdocs.site.plugin.log_links import LogLinks
from kvmdocs.site.plugin.script_links import ScriptLinks
from kvmdocs.site.plugin.warnings import WarningLocations
from kvmdocs.site.publisher import Publisher
from kvmdocs.site.serve.view import ServeView
from kvmdocs.site.status import view_of
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
    """Options of the plugin in ``mkdocs.yml``, beside ``enabled``, which MkDocs gives every plugin."""

    mode = config_options.Choice(("", *Mode), default="")
    """Handling of stale recipes (`kvmdocs.execution.modes`); empty: that of the settings. ``KVMDOCS_MODE`` overrides both."""

    status_page = config_options.Type(str, default="status.md")
    """Guide of the status page, to which the line under each page's title links; it need not exist."""
    badges = config_options.Type(bool, default=True)
    """Show a line with the state of a page's recipes under its title."""
    plain_pages = config_options.Type(bool, default=True)
    """Write each page as Markdown as well, and all of them into ``llms-full.txt``."""


class KvmdocsPlugin(BasePlugin[KvmdocsConfig]):  # type: ignore[no-untyped-call]  # the same
    """The plugin. `on_config` and `on_files` come before all hooks that read the state of a build."""

    _locations: WarningLocations
    _generated: GeneratedFiles
    _build: BuildState

    def __init__(self) -> None:
        self._serving = False
        self._serve_records = records.ServeRecords()
        self._cleanup = ExitStack()

    def on_startup(self, *, command: Literal["build", "gh-deploy", "serve"], dirty: bool) -> None:
        """Note whether this is a server. MkDocs keeps plugins that have this hook from one build to the next."""
        del dirty
        self._serving = command == "serve"

    @plugins.event_priority(-50)  # after markdown-exec has added its fences
    def on_config(self, config: MkDocsConfig) -> MkDocsConfig:
        """Add line numbers to warnings, apply the site's settings, and let transcripts into the page unchanged (`as_html`).

        Raises:
            PluginError: The settings cannot be read.
        """
        self._cleanup.close()  # of a build that ended early
        path = Path(config.config_file_path or "mkdocs.yml").absolute()
        self._locations = WarningLocations(find_root(path.parent), Path(config.docs_dir), path)
        self._locations.attach()
        self._cleanup.callback(self._locations.detach)
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

    def on_files(self, files: Files, *, config: MkDocsConfig) -> Files:
        """Run all recipes that the guides show, and prepare the build's state.

        Raises:
            PluginError: A guide is wrong or a recipe failed; the message lists all of them.
        """
        root = find_root(Path(config.config_file_path).parent if config.config_file_path else None)
        if self._serving:
            records.forget_modules(root)
        is_executed = blocks.are_executed(config)
        guides = [Path(page.abs_src_path) for page in files.documentation_pages() if page.abs_src_path]
        feedback, view, wanted = EditLinks(), ServeView(), None
        try:
            project = Project(root, guides=guides, mode=self.config.mode)
            if not is_executed:
                blocks.refuse_unexecuted(project)
            feedback = EditLinks.load(project.settings)
            view = self._serve_records.latest(project) if self._serving else ServeView(records.run(project))
            wanted = view.wanted
        except KvmdocsError as error:
            self._raise_or_log(error)
            # Pages show what their blocks print without recipes; the next save builds them again.
            project = records.project_without_recipes(root)
        self._generated = self._cleanup.enter_context(closing(GeneratedFiles()))
        assets.add(files, config, self._generated)
        logs, scripts = LogLinks(), ScriptLinks()
        logs.add_files(files, config, project, view.outcome)
        try:
            scripts.add_files(
                files, config, self._generated, project, guides, partial(records.record_on_page, project, view.outcome)
            )
        except KvmdocsError as error:  # an approved record cannot be read
            self._raise_or_log(error)
        publisher = Publisher(
            project,
            view.outcome,
            Language.of(str(config.theme.get("language", "en"))),
            lambda record, name: logs.link(record, name, self._build.page),
            tolerant=self._serving,
            failed=view.outcome.failed(),
            reasons=view.reasons,
            scripts=scripts.urls(),
            relative=self._relative_url,
        )
        self._locations.reported = publisher.problems
        self._locations.mask = project.secrets.mask
        self._build = BuildState(project, publisher, guides, feedback, logs, scripts, wanted)
        self._cleanup.enter_context(presenting(publisher))
        return files

    @plugins.event_priority(-100)  # after plugins that add pages, such as blog
    def on_nav(self, nav: Navigation, *, config: MkDocsConfig, files: Files) -> Navigation:
        """Collect how the recipes stand, now that the address of each page is known.

        Raises:
            PluginError: An approved record cannot be read.
        """
        build = self._build
        pages = status_pages.guide_pages(files, build.project)
        build.publisher.pages = status_pages.sort_by_navigation(pages, [page.url for page in nav.pages])
        build.order = [page.file.dest_uri for page in nav.pages]
        page = files.get_file_from_path(self.config.status_page)
        build.status_page = page.url if page else ""
        if self.config.plain_pages and not self._serving:
            build.plain = PlainPages(build.project.store, page.dest_uri if page else "")
        try:
            build.status = view_of(build.publisher)
        except KvmdocsError as error:
            self._raise_or_log(error)
        else:
            status_pages.add_files(files, config, self._generated, build.status, build.project.secrets.mask)
        return nav

    @plugins.event_priority(-100)  # after other plugins have put their text into the page
    def on_page_markdown(self, markdown: str, *, page: Page, **_: Any) -> str:
        """Note which page is rendered next, and take out blocks in HTML comments, which markdown-exec would execute."""
        self._build.page = page
        if guide := _guide(page):
            self._locations.page = guide
            self._build.publisher.turn_to(guide)
            blocks.warn_of_unread(markdown, guide, self._build.project)
        return without_commented_fences(markdown)

    def on_page_content(self, html: str, *, page: Page, **_: Any) -> str:
        """Add failures, the script's link and the recipes' state under the page's title, and note the page's link targets.

        Failures come first, so that the page as Markdown has them as well.
        """
        build = self._build
        if build.status:
            html = status_pages.add_failures(html, page, build.status, build.status_page, build.project.secrets.mask)
        if build.plain:
            build.plain.add(html, page)
        guide = _guide(page)
        if guide:
            html = build.scripts.add_link(html, page, build.publisher.language)
        if build.status and self.config.badges:
            html = status_pages.add_badge(html, page, build.status, build.status_page)
        if guide:
            build.targets.read(html, guide, page.url)
        return html

    def on_env(self, env: Environment, *, config: MkDocsConfig, files: Files) -> None:
        """Bundle the style sheets, and check what the pages show and link to: all are rendered and none is written yet.

        Raises:
            PluginError: A block could not show a record, which markdown-exec reports as a warning only, or a link target
                does not exist; the message lists all of them.
        """
        del env
        stylesheets.bundle(files, config, self._generated)
        missing = self._build.targets.missing({file.dest_uri for file in files}, self._locations)
        if problems := [*self._build.publisher.problems, *missing]:
            message = "\n\n".join(problem.report() for problem in problems)
            if not self._serving:
                raise PluginError(message)
            log.error(message)

    def on_page_context(self, context: TemplateContext, *, page: Page, config: MkDocsConfig, **_: Any) -> None:
        """Set the addresses for edits and reports, to which the theme's templates link."""
        del context, config
        if guide := _guide(page):
            publisher, feedback = self._build.publisher, self._build.feedback
            path = self._build.project.catalog.shown(guide)
            on_page = publisher.shown.get(guide, {}).values()
            page.edit_url = feedback.edit_url(path) or page.edit_url
            page.meta["report_url"] = feedback.report_url(path, str(page.title), on_page, publisher.language)

    def on_post_build(self, *, config: MkDocsConfig, **_: Any) -> None:
        """Write the pages as Markdown; in a server, run stale recipes now that the build has left the processors."""
        self._cleanup.close()
        build = self._build
        if build.plain:
            build.plain.write(config, build.order)
        if self._serve_records.background and build.wanted is not None:
            self._serve_records.background.want(build.project, build.guides, build.wanted)

    def on_build_error(self, **_: Any) -> None:
        """Clean up after a build that failed."""
        self._cleanup.close()

    def on_shutdown(self) -> None:
        """Stop the background runner when the server ends."""
        self._serve_records.stop()

    def on_serve(self, server: LiveReloadServer, **_: Any) -> LiveReloadServer:
        """Build again when a recipe or a setting changes."""
        project = self._build.project
        for path in (project.root / project.settings["project.recipes"].replace(".", "/"), project.root / FILE):
            if path.exists():
                server.watch(str(path))
        if self._serve_records.background:
            server.watch(str(self._serve_records.background.folder))
        return server

    def _raise_or_log(self, error: KvmdocsError) -> None:
        """Raise a `PluginError`; in a server, log the error instead, so that the server goes on."""
        if not self._serving:
            raise PluginError(error.report()) from error
        log.error(error.report())

    def _relative_url(self, url: str) -> str:
        page = self._build.page
        return get_relative_url(url, page.url) if page else url


def _guide(page: Page) -> Path | None:
    """Return the guide of a page; None for a generated page."""
    return Path(page.file.abs_src_path) if page.file.abs_src_path else None


def as_html(source: str, language: str, css_class: str, options: dict[str, Any], md: Markdown, **kwargs: Any) -> str:
    """Format a block with markdown-exec, with its option ``html`` set if the block prints nothing but transcripts.

    By default, markdown-exec passes a block's output through a Markdown converter that it creates for that block.
    Transcripts are HTML, which the converter leaves unchanged, at a large share of the build time of a site with many
    transcripts.
    """
    if blocks.is_example(source, presenter()):
        return ""  # superfences puts the text back where it stands in indented code
    if only_shows(source) and not options.get("source"):
        options = {**options, "html": True}
    html = formatter(source, language, css_class, options, md, **kwargs)
    # A block may print a secret itself, or show a record from before records were masked.
    publisher = presenter()
    return type(html)(publisher.project.secrets.mask(html)) if isinstance(publisher, Publisher) else html
