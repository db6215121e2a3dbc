"""``mkdocs serve``: pages at once, even if recipes are stale; cheap recipes run in the background."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time
import urllib.request
from dataclasses import replace

import psutil
import pytest

from kvmdocs.core.model import Freshness, Status
from kvmdocs.site.serve.runner import BackgroundRunner
from kvmdocs.site.serve.view import Attempt, make_view

pytestmark = pytest.mark.process

RECIPES = """
@recipe()
def quick(sh: Shell) -> None:
    sh.line("echo quick >> ../../../../count")
    sh.echo("hello, reader")

@recipe(expects="2m")
def slow(sh: Shell) -> None:
    sh.line("echo slow >> ../../../../count")
    sh.echo("at long last")
"""
PAGE_TIMEOUT = 90
"""Seconds to wait for a page; the machine may be busy."""


class Server:
    """Real server on a free port of the loopback interface."""

    def __init__(self, made, *options: str) -> None:
        self.made = made
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.began = time.monotonic()
        self.process = made.start("mkdocs", "serve", "--dev-addr", f"127.0.0.1:{self.port}", *options)

    def get(self, path: str = "/", timeout: float = 20) -> str:
        return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout).read().decode()

    def until(self, *texts: str, without: str = "\0") -> str:
        """Wait until the page contains these texts and not another, and return it."""
        deadline = time.monotonic() + PAGE_TIMEOUT
        page = ""
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the server ended"
            with contextlib.suppress(OSError):
                page = self.get()
                if all(text in page for text in texts) and without not in page:
                    return page
            time.sleep(0.2)
        raise AssertionError(f"never {texts} without {without!r} in:\n{article(page)}")

    def edit(self, old: str, new: str) -> None:
        source = self.made.root / self.made.package / "all.py"
        text = source.read_text()
        assert old in text
        source.write_text(text.replace(old, new))

    def started(self) -> list[psutil.Process]:
        """Return the server and all its descendants, in any session."""
        server = psutil.Process(self.process.pid)
        return [server, *server.children(recursive=True)]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)


def article(page: str) -> str:
    return page[page.find('role="main"') : page.find('<footer class="col')]


def epoch(page: str) -> int:
    """Return the version of the site that an open page was made from."""
    found = re.search(r"livereload\((\d+), \d+\);", page)
    assert found
    return int(found[1])


def output(page: str) -> list[str]:
    return re.findall(r'class="tr-out"[^>]*>([^<]*)<', page)


def count(made) -> list[str]:
    path = made.root / "count"
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def site(trial):
    made = trial().recipes(RECIPES)
    made.block("index.md", f"from {made.module} import quick\nquick.show()")
    return made


@pytest.fixture
def serve():
    """Start servers, and end them after the test."""
    servers = []

    def start(made, *options: str) -> Server:
        servers.append(Server(made, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


def put(made, name: str, seconds: float) -> None:
    """Put a record of a recipe that took so long into the store."""
    assert made.run(name).records[name].status is Status.PASSED
    store = made.project().store
    store.put(replace(store.latest(name), seconds=seconds))


def test_a_server_is_up_at_once_and_shows_what_is_stale_and_dear_as_stale(site, serve):
    site.block("index.md", f"from {site.module} import slow\nslow.show()")
    put(site, "slow", 120.0)
    server = serve(site)
    server.until("at long last", without="data-state")
    server.edit('sh.echo("at long last")', 'sh.sleep(60); sh.echo("later")')
    page = server.until('data-state="stale"')
    assert output(page) == ["at long last"]
    assert "its own code changed" in page
    assert "kvmdocs run slow" in page
    server.end()
    server = serve(site)
    server.until('data-state="stale"', "at long last")
    # Plain MkDocs takes a second or two: the server has not waited for a recipe of one minute.
    assert time.monotonic() - server.began < 45
    time.sleep(1)
    assert not [process for process in server.started() if "kvmdocs.site.serve.runner" in process.cmdline()]
    assert count(site) == ["slow"]


def test_a_saved_recipe_runs_behind_the_page_which_says_so_and_reloads_when_it_lands(site, serve):
    put(site, "quick", 1.0)
    server = serve(site)
    server.until("hello, reader")
    gate = site.root / "gate"
    server.edit('sh.echo("hello, reader")', f'sh.line("until [ -e {gate} ]; do sleep 0.1; done; echo good day")')
    page = server.until('data-state="running"')
    assert output(page) == ["hello, reader"]
    # An edit of prose during the run is shown at once, and the run goes on.
    guide = site.root / "docs" / "index.md"
    guide.write_text("New prose.\n\n" + guide.read_text())
    page = server.until("New prose.", 'data-state="running"')
    gate.touch()
    assert int(server.get(f"/livereload/{epoch(page)}/1", timeout=PAGE_TIMEOUT)) > epoch(page)
    page = server.until("good day", without="data-state")
    assert output(page) == ["good day"]
    assert count(site) == ["quick"] * 2
    # Nothing is stale now: an edit of prose runs nothing.
    guide.write_text("Newer prose.\n\n" + guide.read_text())
    server.until("Newer prose.", "good day")
    time.sleep(1)
    assert count(site) == ["quick"] * 2


def test_a_first_run_and_a_failure_and_what_a_guide_has_wrong_are_shown_and_the_server_lives_on(site, serve):
    server = serve(site)
    server.until("hello, reader", without="data-state")
    server.edit('sh.echo("hello, reader")', 'sh.line("echo so far; exit 3")')
    page = server.until("so far", "This recipe failed", without='data-state="running"')
    assert 'data-status="failed"' in page
    # A failed recipe is not run again.
    before = count(site)
    guide = site.root / "docs" / "index.md"
    guide.write_text(guide.read_text().replace("# Title", "# Another title"))
    server.until("Another title", "so far")
    assert count(site) == before
    server.edit("echo so far; exit 3", "echo it works again")
    server.until("it works again", without="data-state")
    guide.write_text(guide.read_text().replace("show()", "show(notes={'^nowhere$': 'x'})"))
    server.until("hangs nowhere", "This cannot be shown")
    server.edit("def quick", "def quick(")
    server.until("SyntaxError")
    server.edit("def quick(", "def quick")
    guide.write_text(guide.read_text().replace("show(notes={'^nowhere$': 'x'})", "show()"))
    page = server.until("it works again", without="data-state")
    assert "SyntaxError" not in page


def test_without_a_store_that_can_be_written_pages_show_what_there_is(site, serve):
    settings = site.root / "kvmdocs.toml"
    settings.write_text(settings.read_text().replace('"store"', '"docs/index.md/store"'))
    server = serve(site)
    server.until("there is no record of it yet")
    assert count(site) == []


def test_what_runs_is_ended_when_its_recipe_is_saved_again(site, serve):
    put(site, "quick", 1.0)
    server = serve(site)
    server.until("hello, reader")
    server.edit('sh.echo("hello, reader")', "sh.sleep(500)")
    server.until('data-state="running"')
    sleeping(server)
    server.edit("sh.sleep(500)", 'sh.echo("short now")')
    server.until("short now", without="data-state")


def test_what_builds_on_a_stale_recipe_runs_after_it(site, serve):
    site.recipes("""
        @recipe()
        def first(sh: Shell) -> str:
            return sh.echo("one").strip()

        @recipe()
        def second(sh: Shell, first: str) -> None:
            sh.echo("after", first)
        """)
    site.block("index.md", f"from {site.module} import second\nsecond.show()")
    server = serve(site)
    server.until("after one", without="data-state")
    server.edit('"one"', '"two"')
    server.until("after two", without="data-state")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_a_server_ends_it_leaves_no_process(site, serve, number):
    put(site, "quick", 1.0)
    server = serve(site)
    server.until("hello, reader")
    server.edit('sh.echo("hello, reader")', "sh.line(\"setsid sh -c 'sleep 500' & sleep 500\")")
    server.until('data-state="running"')
    sleeping(server)
    processes = server.started()
    os.kill(server.process.pid, number)
    server.process.wait(60)
    if number == signal.SIGINT:
        # After Ctrl-C, the prompt returns only when all processes are gone.
        assert not [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    _, left = psutil.wait_procs(processes, timeout=60)
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


def sleeping(server: Server) -> None:
    """Wait until the recipe's command runs."""
    deadline = time.monotonic() + PAGE_TIMEOUT
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.Error):
            if any(process.name() == "sleep" for process in server.started()):
                return
        time.sleep(0.1)
    raise AssertionError("the recipe never ran")


def test_a_view_of_what_stands_where(site):
    view = make_view(site.project(), ["quick", "slow"], {})
    assert view.outcome.records == {}
    assert view.outcome.freshness == {"quick": Freshness.RUNNING, "slow": Freshness.STALE}
    assert list(view.wanted) == ["quick"]
    assert view.reasons["slow"] == ("it never ran here",)
    attempts = {"quick": Attempt(view.wanted["quick"])}
    assert make_view(site.project(), ["quick"], attempts).wanted == {}
    site.run("quick")
    view = make_view(site.project(), ["quick"], {})
    assert view.outcome.freshness == {"quick": Freshness.CACHED}


def test_nothing_is_tried_and_one_recipe_that_cannot_be_told_spoils_no_other(site):
    site.recipes(
        RECIPES
        + """
@recipe(needs=("ptrace",))
def tracing(sh: Shell) -> None: ...

@recipe(data=("nothing.txt",))
def wrong(sh: Shell) -> None: ...

@recipe(tools=("no-such-tool",))
def wanting(sh: Shell) -> None: ...
"""
    )
    view = make_view(site.project(), ["quick", "tracing", "wrong", "wanting"], {})
    assert not (site.root / "store/v1/tries.json").exists()
    assert set(view.wanted) == {"quick", "tracing"}
    assert "nothing.txt" in view.outcome.records["wrong"].failure.message
    assert "no-such-tool" in view.outcome.records["wanting"].reason


def test_a_background_without_work_starts_no_process_and_leaves_no_folder(site):
    project = site.project()
    before = psutil.Process().children()  # another test may have a browser open
    background = BackgroundRunner(project)
    background.want(project, [], {})
    assert psutil.Process().children() == before
    background.stop()
    assert not background.folder.exists()
