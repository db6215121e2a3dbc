"""A site that people read: a build that fails or is killed leaves it as it was, to the byte; one that succeeds swaps it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kvmdocs.core.errors import HostLacks
from kvmdocs.site import pdf
from kvmdocs.site.build import build_pages
from kvmdocs.site.layout import layout
from kvmdocs.site.pdf.chromium import Chromium
from kvmdocs.site.staging import PREFIX, scratch, stage, sweep
from tests.support.editions import Editions, held
from tests.support.mounts import mounted
from tests.support.processes import soon_nothing_left


@pytest.fixture
def site(trial, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    yield Editions(trial())
    os.environ.pop("MKDOCS_CONFIG_DIR", None)


def untouched(folder: Path) -> dict[str, tuple[int, int]]:
    """Number and time of change of all that a folder holds, itself included."""
    return {str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in (folder, *folder.rglob("*"))}


# -- what goes wrong ------------------------------------------------------------------------------------------------


def note_that_hangs_nowhere(site, monkeypatch):
    page = site.root / "docs/zh/index.md"
    page.write_text(page.read_text("utf-8").replace("hello.show()", "hello.show(notes={'nowhere': 'x'})"), "utf-8")
    return 2


def dead_link(site, monkeypatch):
    site.made.guide("zh/part/page1.md", "# Page\n\n[x](missing.md)\n")
    return 2


def block_that_raises(site, monkeypatch):
    site.made.guide("zh/part/page1.md", '# Page\n\n```python exec="on"\nprint(1 / 0)\n```\n')
    return 2


def no_second_configuration(site, monkeypatch):
    (site.root / "zh.yml").unlink()
    return 2


def configuration_that_is_wrong(site, monkeypatch):
    with (site.root / "zh.yml").open("a", encoding="utf-8") as file:
        file.write("nothing_that_mkdocs_knows: 1\n")
    return 2


def template_that_is_wrong(site, monkeypatch):
    (site.root / "theme").mkdir()
    (site.root / "theme/404.html").write_text("{% for %}", "utf-8")
    path = site.root / "zh.yml"
    path.write_text(path.read_text("utf-8").replace("theme: {", "theme: {custom_dir: theme, "), "utf-8")
    return 2


def page_above_that_is_wrong(site, monkeypatch):
    (site.root / "above/robots.txt").write_text("{{ nothing }}", "utf-8")
    return 2


def recipe_that_fails(site, monkeypatch):
    site.made.recipes('@recipe()\ndef hello(sh: Shell) -> None:\n    sh.line("exit 7")\n')
    return 1


def chromium_that_is_killed(site, monkeypatch):
    try:
        pdf.program()
    except HostLacks as error:
        pytest.skip(error.message)

    def killed(self):
        os.killpg(self._pid, signal.SIGKILL)
        return printed(self)

    printed = Chromium.printed
    monkeypatch.setattr(Chromium, "printed", killed)
    monkeypatch.setenv("KVMDOCS_SITE_PDF", "handbook.pdf")
    return 1


def no_chromium(site, monkeypatch):
    monkeypatch.setattr("kvmdocs.site.pdf.chromium.PROGRAMS", ())
    monkeypatch.setenv("KVMDOCS_SITE_PDF", "handbook.pdf")
    return 3


def plugin_that_is_interrupted(site, monkeypatch):
    monkeypatch.setenv("TRIAL_THEN", "raise KeyboardInterrupt")
    return 130


def no_room_on_the_disk(site, monkeypatch):
    monkeypatch.setenv("TRIAL_THEN", "raise OSError(28, 'No space left on device', config.site_dir + '/x')")
    return 3


WRONG = (
    note_that_hangs_nowhere,
    dead_link,
    block_that_raises,
    no_second_configuration,
    configuration_that_is_wrong,
    template_that_is_wrong,
    page_above_that_is_wrong,
    recipe_that_fails,
    chromium_that_is_killed,
    no_chromium,
    plugin_that_is_interrupted,
    no_room_on_the_disk,
)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_what_goes_wrong_leaves_the_site_as_it_was(site, monkeypatch, wrong):
    before, files = site.built("A"), untouched(site.site)
    site.write("B")
    with monkeypatch.context() as patched:
        code = wrong(site, patched)
        done = site.build()
    assert done.exit_code == code, done.output
    assert (site.held(), untouched(site.site)) == (before, files)
    assert site.left() == []
    if wrong is not plugin_that_is_interrupted:
        assert "as it was" in done.output or wrong in {no_second_configuration, no_chromium}


def test_an_error_of_a_plugin_leaves_the_site_as_it_was(site, monkeypatch):
    before = site.built("A")
    site.write("B")
    monkeypatch.setenv("TRIAL_THEN", "raise RuntimeError('a bug')")
    with pytest.raises(RuntimeError, match="a bug"):
        site.build()
    assert site.held() == before
    assert site.left() == []


@pytest.mark.parametrize(("text", "line"), [("one.show(notes={'nowhere': 'x'})", ""), ("one.show()", "[x](missing.md)")])
def test_a_site_in_one_language_stays_as_it_was(trial, monkeypatch, text, line):
    made = trial().recipes('@recipe()\ndef one(sh: Shell) -> str:\n    return sh.echo("one")\n')
    monkeypatch.setattr(sys, "path", [*sys.path])
    made.block("index.md", f"from {made.module} import one\none.show()")
    made.guide("other.md", "# Other\n")
    assert made.kvmdocs("build").exit_code == 0
    before = held(made.root / "site")
    assert "index.html" in before
    made.block("index.md", f"from {made.module} import one\n{text}")
    made.guide("other.md", f"# Other\n\n{line}\n")
    assert made.kvmdocs("build").exit_code == 2
    assert held(made.root / "site") == before
    os.environ.pop("MKDOCS_CONFIG_DIR", None)


# -- ended from outside ---------------------------------------------------------------------------------------------


def started(site, then: str) -> subprocess.Popen[bytes]:
    """A build that has made all pages and does something else before it goes on."""
    (site.root / "pages-made").unlink(missing_ok=True)
    site.made.environ["TRIAL_THEN"] = then
    build = site.made.start("kvmdocs.cli", "build")
    del site.made.environ["TRIAL_THEN"]
    deadline = time.monotonic() + 60
    while not (site.root / "pages-made").exists():
        assert build.poll() is None, "the build ended before its pages were made"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return build


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_build_that_is_ended_leaves_the_site_and_nothing_else(site, number, code):
    before = site.built("A")
    site.write("B")
    build = started(site, "time.sleep(60)")
    assert len(site.left()) in {0, 1}
    build.send_signal(number)
    assert build.wait(30) == code
    assert site.held() == before
    assert site.left() == []


def test_a_build_that_is_ended_while_recipes_run_leaves_nothing(site):
    before = site.built("A")
    site.made.recipes('@recipe()\ndef hello(sh: Shell) -> None:\n    sh.line("touch ../../../../running; sleep 1000")\n')
    build = site.made.start("kvmdocs.cli", "build")
    deadline = time.monotonic() + 60
    while not (site.root / "running").exists():
        assert build.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    build.terminate()
    assert build.wait(30) == 143
    assert soon_nothing_left(site.root)
    assert site.held() == before
    assert site.left() == []


def test_what_a_killed_build_left_goes_with_the_next_one_even_if_that_fails(site, monkeypatch):
    before = site.built("A")
    site.write("B")
    build = started(site, "time.sleep(60)")
    build.kill()
    build.wait()
    assert site.held() == before
    assert len(site.left()) == 1
    dead_link(site, monkeypatch)
    assert site.build().exit_code == 2
    assert site.held() == before
    assert site.left() == []


def test_ctrl_c_in_the_middle_of_a_swap_waits_for_its_end(site, monkeypatch):
    site.built("A")
    site.write("B")
    exchanged = []

    def pressed(*paths, real=os.rename):
        exchanged.append(paths)
        real(*paths)
        os.kill(os.getpid(), signal.SIGINT)

    in_place(monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", pressed)
        done = site.build()
    assert done.exit_code == 130
    assert exchanged
    now = site.held()
    assert now == site.built("B")
    assert site.left() == []


def in_place(monkeypatch):
    """Have a build swap entry by entry, without exchanges."""

    def unknown(*paths):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr("kvmdocs.site.swap.exchange", unknown)


# -- disks and rights -----------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_written_to_its_end(site, monkeypatch):
    before = site.built("A")
    site.write("B")
    monkeypatch.setenv(
        "TRIAL_THEN", "with open(config.site_dir + '/large', 'wb', 0) as file: file.write(b'x' * (33 << 20)); file.write(b'x')"
    )
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32 << 20, limits[1]))
    try:
        done = site.build()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.exit_code == 3, done.output
    assert "cannot be written: File too large; it is as it was" in done.output
    assert "--output" in done.output
    assert site.held() == before
    assert site.left() == []


@contextlib.contextmanager
def disk(folder: Path, *options: str):
    folder.mkdir(exist_ok=True)
    mounted("mount", *options, str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.root
def test_a_disk_that_fills_while_pages_are_written(site, tmp_path):
    out = tmp_path / "disk/out"
    with disk(tmp_path / "disk", "-t", "tmpfs", "-o", "size=12M", "none"):
        assert site.build("--output", str(out)).exit_code == 0
        before = held(out)
        site.write("B")
        (tmp_path / "disk/fill").write_bytes(b"x" * (os.statvfs(out).f_bavail * 4096 - (1 << 20)))
        done = site.build("--output", str(out))
        assert done.exit_code == 3, done.output
        assert "No space left on device; it is as it was" in done.output
        assert held(out) == before
        assert sorted(os.listdir(out.parent)) == ["fill", "out"]


@pytest.mark.root
def test_a_volume_of_its_own(site, monkeypatch):
    """What is a mount point cannot be renamed: its entries are swapped."""
    with disk(site.site, "-t", "tmpfs", "none"):
        site.built("A")
        (site.site / "CNAME").write_text("example.org")
        before = site.held()
        site.write("B")
        dead_link(site, monkeypatch)
        assert site.build().exit_code == 2
        assert site.held() == before
        after = site.built("B")
        assert "en/only-in-B/index.html" in after
        assert "en/only-in-A/index.html" not in after
        assert after["CNAME"] == b"example.org"
        assert site.left() == []


@pytest.mark.root
def test_a_folder_mounted_in_its_place(site, tmp_path):
    """The same disk in another place: only the list of mounts tells."""
    (tmp_path / "volume").mkdir()
    with disk(site.site, "--bind", str(tmp_path / "volume")):
        site.built("A")
        assert "en/only-in-B/index.html" in site.built("B")
        assert site.left() == []


@pytest.mark.root
def test_a_parent_that_may_not_be_written(site, tmp_path):
    out = tmp_path / "there/out"
    out.mkdir(parents=True)
    with disk(out.parent, "--bind", str(out.parent)), disk(out, "-t", "tmpfs", "none"):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(out.parent)], check=True)
        done = site.build("--output", str(out))
        assert done.exit_code == 0, done.output
        assert (out / "zh/only-in-A/index.html").is_file()
        done = site.build("--output", str(out.parent / "new"))
        assert done.exit_code == 3
        assert "Read-only file system" in done.output


@pytest.mark.root
@pytest.mark.parametrize("place", ["zh", "zh/part"])
def test_a_disk_inside_of_what_is_replaced_is_refused(site, place):
    site.built("A")
    (site.site / place).mkdir(exist_ok=True)
    with disk(site.site / place, "-t", "tmpfs", "none"):
        (site.site / place / "mine").touch()
        done = site.build()
        assert done.exit_code == 2
        assert f"a disk is mounted at {site.site / place}" in done.output
        assert (site.site / place / "mine").exists()


@pytest.mark.root
def test_a_disk_beside_the_languages_stays(site):
    site.built("A")
    with disk(site.site / "downloads", "-t", "tmpfs", "none"):
        (site.site / "downloads/mine").touch()
        with stage(layout(site.made.project(), None)) as staged:
            assert not staged.at_once, "a killed build would leave a folder to remove that has the disk in it"
        assert "downloads/mine" in site.built("B")
        assert os.path.ismount(site.site / "downloads")
    assert site.left() == []


@pytest.mark.root
@pytest.mark.parametrize("place", ["", "zh"])
def test_a_site_that_may_not_be_written_is_told_of_before_anything_runs(site, place):
    site.built("A")
    site.made.recipes('@recipe()\ndef hello(sh: Shell) -> None:\n    sh.line("touch ../../../../ran")\n')
    folder = site.site / place
    with disk(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        done = site.build()
    assert done.exit_code in {2, 3}
    assert "cannot be written: Permission denied" in done.output or "a disk is mounted" in done.output
    assert not (site.root / "ran").exists()


def test_who_may_not_write_is_told_before_anything_runs(site, monkeypatch):
    site.built("A")
    site.made.recipes('@recipe()\ndef hello(sh: Shell) -> None:\n    sh.line("touch ../../../../ran")\n')

    def refused(*_, **told):
        raise PermissionError(13, "Permission denied", f"{told['dir']}/{PREFIX}x")

    monkeypatch.setattr("tempfile.mkdtemp", refused)
    done = site.build("--output", str(site.root / "other/site"))
    assert done.exit_code == 3, done.output
    assert "other/site cannot be written: Permission denied" in done.output
    assert not (site.root / "ran").exists()
    assert not (site.root / "other").exists()


def test_owner_rights_and_the_folder_itself_stay(site):
    site.built("A")
    rights = {"": 0o2755, "en": 0o2775}
    for name, mode in rights.items():
        if os.geteuid() == 0:
            os.chown(site.site / name, 0, 12345)
        (site.site / name).chmod(mode)
    number = site.site.stat().st_ino
    inside = os.open(site.site, os.O_RDONLY)
    site.built("B")
    assert site.site.stat().st_ino == number
    assert "edition B" in Path(f"/proc/self/fd/{inside}/index.html").read_text("utf-8")
    os.close(inside)
    for name, mode in rights.items():
        assert (site.site / name).stat().st_mode & 0o7777 == mode
        if os.geteuid() == 0:
            # A group that reads the site reads its new pages, too.
            assert {path.stat().st_gid for path in (site.site / "en").rglob("*")} == {12345}


# -- where it goes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["new", "deep/er/new", "empty", "link", "dangling", "../beside"])
def test_folders_that_a_site_can_go_to(site, monkeypatch, name):
    before = site.built("A")
    site.write("B")
    monkeypatch.chdir(site.root)
    (site.root / "empty").mkdir()
    (site.root / "else/where").mkdir(parents=True)
    (site.root / "link").symlink_to("else/where")
    (site.root / "dangling").symlink_to("else/new")
    for _ in range(2):
        done = site.build("--output", name)
        assert done.exit_code == 0, done.output
    assert f"open {os.path.normpath(site.root / name)}/index.html" in done.output
    out = held(site.root / name)
    assert out.keys() == {path.replace("only-in-A", "only-in-B") for path in before}
    assert site.held() == before
    assert (site.root / "link").is_symlink()
    assert (site.root / "dangling").is_symlink()
    assert site.left() == []
    shutil.rmtree(site.root.parent / "beside", ignore_errors=True)


def test_the_usual_folder_may_be_a_link(site):
    (site.root / "public").mkdir()
    site.site.symlink_to("public")
    site.built("A")
    assert "en/only-in-B/index.html" in site.built("B")
    assert os.readlink(site.site) == "public"


@pytest.mark.parametrize("folders", [("public/en", "public/zh"), ("public", "public/zh"), ("../out/en", "../out/zh")])
def test_the_languages_may_be_elsewhere(site, folders):
    for language, folder in zip(("en", "zh"), folders, strict=True):
        path = site.root / f"{language}.yml"
        path.write_text(path.read_text("utf-8").replace(f"site/{language}", folder), "utf-8")
    for _ in range(2):
        done = site.build()
        assert done.exit_code == 0, done.output
        for folder in folders:
            assert (site.root / folder / "only-in-A/index.html").is_file()
    assert not site.site.exists()


@pytest.mark.parametrize("folders", [("en", "zh"), ("site/both", "site/both")])
def test_languages_without_a_folder_in_common_are_refused(site, folders):
    for language, folder in zip(("en", "zh"), folders, strict=True):
        path = site.root / f"{language}.yml"
        path.write_text(path.read_text("utf-8").replace(f"site/{language}", folder), "utf-8")
    done = site.build()
    assert done.exit_code == 2
    assert "site/en and site/zh" in done.output


def refused_folders(site):
    """Folders that must not become a site, by what is said."""
    root = site.root
    (root / "mine/en").mkdir(parents=True)
    (root / "mine/en/notes.txt").write_text("mine")
    (root / "web").mkdir()
    (root / "web/index.html").write_text("mine")
    (root / "file").touch()
    return {
        "~": "your home is in it",
        "/": "the project is in it",
        str(root): "the project is in it",
        str(root.parent): "the project is in it",
        str(root / "docs"): "one is in the other",
        str(root / "docs/en/site"): "one is in the other",
        str(root / "mine"): "holds 'notes.txt'",
        str(root / "web"): "holds 'index.html'",
        str(root / "file/site"): "Not a directory",
    }


def test_what_is_no_site_is_not_replaced(site, monkeypatch, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("mine")
    monkeypatch.setenv("HOME", str(home))
    folders = refused_folders(site)
    before = held(tmp_path)
    for folder, said in folders.items():
        done = site.build("--output", os.path.expanduser(folder))
        assert done.exit_code in {2, 3}, f"{folder}: {done.output}"
        assert said in done.output
        assert "--output" in done.output
    now = held(tmp_path)
    assert {name: now[name] for name in before} == before
    assert site.left() == []


def test_the_usual_folder_with_something_else_in_it_is_not_replaced(site):
    (site.site / "zh").mkdir(parents=True)
    (site.site / "zh/notes.txt").write_text("mine")
    done = site.build()
    assert done.exit_code == 2
    assert "site/zh holds 'notes.txt' and is no site that was built" in done.output
    assert held(site.site) == {"zh/": b"", "zh/notes.txt": b"mine"}


def test_half_a_site_that_mkdocs_left_is_replaced(site):
    site.built("A")
    for page in [*site.site.rglob("*.html"), *site.site.rglob("sitemap.*")]:
        page.unlink()
    assert "en/index.html" in site.built("B")


def test_a_link_that_leads_to_itself_is_refused(site):
    site.site.symlink_to("site")
    done = site.build()
    assert done.exit_code == 2
    assert "site is no folder" in done.output


def test_a_language_that_is_a_link_is_refused(site):
    site.built("A")
    (site.site / "zh").rename(site.root / "elsewhere")
    (site.site / "zh").symlink_to("../elsewhere")
    before = held(site.root / "elsewhere")
    done = site.build()
    assert done.exit_code == 2
    assert "is a link" in done.output
    assert held(site.root / "elsewhere") == before


# -- what is kept ---------------------------------------------------------------------------------------------------

MINE = ("CNAME", ".nojekyll", ".well-known/acme/token", ".git/config", "notes/mine.txt", "en/.hidden", "zh/.well-known/x")


@pytest.mark.parametrize("way", ["in one step", "in place"])
def test_what_mkdocs_spares_stays(site, monkeypatch, way):
    if way == "in place":
        in_place(monkeypatch)
    site.built("A")
    for name in MINE:
        (site.site / name).parent.mkdir(parents=True, exist_ok=True)
        (site.site / name).write_text("mine")
    (site.site / "en/stray.txt").write_text("MkDocs removes it")
    numbers = [(site.site / name).stat().st_ino for name in MINE]
    after = site.built("B")
    assert {after[name] for name in MINE} == {b"mine"}
    assert [(site.site / name).stat().st_ino for name in MINE] == numbers
    assert "en/stray.txt" not in after
    assert site.left() == []


def test_pages_are_the_same_as_those_that_mkdocs_makes_in_place(site):
    """No page, map or index has the name of the folder in which it was made."""
    swapped = site.built("A")
    for language in ("en", "zh"):
        build_pages(site.root / f"{language}.yml", site.root / "site")
    assert site.held() == swapped
    assert not [name for name, data in swapped.items() if PREFIX.encode() in data]


# -- others beside it -----------------------------------------------------------------------------------------------


def test_two_builds_at_once(site):
    """Neither harms the other; the site is that of the one that ends last."""
    site.built("A")
    b = site.built("B")
    site.write("A")
    slow = started(site, "time.sleep(4)")
    site.write("B")
    quick = site.build()
    assert quick.exit_code == 0
    assert site.held() == b
    assert len(site.left()) == 1, "the build under way has lost its folder"
    assert slow.wait(60) == 0
    assert "en/only-in-A/index.html" in site.held()
    assert site.left() == []


@contextlib.contextmanager
def lock(folder: Path):
    """What a build holds while it swaps."""
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def test_a_build_waits_for_the_swap_of_another(site):
    before = site.built("A")
    site.write("B")
    build = started(site, "time.sleep(1)")
    with lock(site.site):
        time.sleep(3)
        assert build.poll() is None
        assert site.held() == before
    assert build.wait(30) == 0
    assert "en/only-in-B/index.html" in site.held()


def test_a_lock_that_somebody_keeps_is_said(site, monkeypatch):
    before = site.built("A")
    monkeypatch.setattr("kvmdocs.site.staging.PATIENCE", 0.2)
    with lock(site.site):
        done = site.build()
    assert done.exit_code == 3
    assert f"another program has held the lock of {site.site}" in done.output
    assert site.held() == before


def test_many_builds_that_end_at_once(site):
    b = site.built("B")
    builds = [site.made.start("kvmdocs.cli", "build") for _ in range(4)]
    assert [build.wait(120) for build in builds] == [0] * 4
    assert site.held() == b
    assert site.left() == []


@pytest.mark.parametrize("way", ["in one step", "in place"])
def test_a_reader_finds_every_page_at_every_moment(site, monkeypatch, way):
    seen: list[str] = []
    over = threading.Event()
    pages = [site.site / language / "part/page0/index.html" for language in ("en", "zh")]

    def read():
        while not over.is_set():
            for page in pages:
                try:
                    text = page.read_text("utf-8")
                except OSError as error:
                    text = repr(error)
                found = "A" if "Edition A." in text and "</html>" in text else "B" if "Edition B." in text else text
                if found not in seen[-1:]:
                    seen.append(found)

    site.built("A")
    if way == "in place":
        monkeypatch.setattr("kvmdocs.site.swap._at_once", lambda *_: False)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for edition in "BABA":
            site.built(edition)
    finally:
        over.set()
        reader.join()
    if way == "in one step":
        assert seen == ["A", "B", "A", "B", "A"]
    # One language may be ahead of the other for a moment, but no page is ever missing.
    assert set(seen) == {"A", "B"}


def test_the_folder_of_a_build_under_way_stays_and_that_of_a_dead_one_goes(tmp_path):
    with scratch(tmp_path, "site") as mine:
        dead = tmp_path / f"{PREFIX}site-{os.getpid()}-abcdefgh"
        (dead / "site").mkdir(parents=True)
        others = [
            tmp_path / name
            for name in (f"{PREFIX}site", f"{PREFIX}site-old-abcdefgh", f"{PREFIX}site2-1-abcdefgh", ".site-1-abcdefgh")
        ]
        for other in others:
            other.mkdir()
        sweep(tmp_path, "site")
        # Its maker has our number, as the only process of a container may have that of the one before.
        assert not dead.exists()
        assert mine.is_dir()
        assert all(other.is_dir() for other in others)
    assert not mine.exists()


def test_where_there_are_no_locks_the_number_tells(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", unknown)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    alive, dead = (tmp_path / f"{PREFIX}site-{number}-abcdefgh" for number in (os.getppid(), gone.pid))
    alive.mkdir()
    dead.mkdir()
    sweep(tmp_path, "site")
    assert (alive.exists(), dead.exists()) == (True, False)
    with scratch(tmp_path, "site") as mine:
        assert mine.is_dir()
