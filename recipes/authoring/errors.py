"""Mistakes in recipes and guides, made on purpose so that the page on errors shows what `kvmdocs` prints."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from kvmdocs import Shell, recipe

HERE = Path(__file__).parent

ENGINE = tuple(os.path.relpath(path, HERE) for path in sorted((HERE.parents[1] / "kvmdocs").rglob("*.py")))
"""Source files of the engine, declared as data because every message comes from them."""

ANY = list(range(256))

SETTINGS = """\
[project]
recipes = "howto"

[store]
path = "store"
"""

CONFIG = """\
site_name: Mistakes
theme: {name: mkdocs}
plugins: [kvmdocs, markdown-exec]
markdown_extensions: [pymdownx.superfences]
"""

HEAD = "from kvmdocs import Shell, recipe\n\n\n"

HELLO = f'''\
{HEAD}@recipe()
def hello(sh: Shell) -> None:
    """Say hello."""
    with sh.section("greeting"):
        sh.echo("hello")
'''

GUIDE = """\
# Hello

```python exec="on"
from howto.hello import hello

hello.show("greetings")
```
"""

UNKNOWN_INPUT = f"""\
{HEAD}@recipe()
def boot(sh: Shell, kernal: str) -> None:
    sh.echo("boots", kernal)
"""

NOT_TRUE = f"""\
{HEAD}@recipe()
def count(sh: Shell) -> None:
    assert int(sh.line("seq 3 | wc -l")) == 4
"""

COMMAND = f"""\
{HEAD}@recipe()
def look(sh: Shell) -> None:
    sh.ls("vmlinux")
"""

DOWNLOAD = """\
from hashlib import sha256

from kvmdocs import Shell, recipe
from kvmdocs import Evidence, SourceRefused

PINNED = sha256(b"the disk that was meant").hexdigest()


@recipe()
def unpack(sh: Shell) -> None:
    disk = sh.write("disk.img", "another disk")
    if sha256(disk.read_bytes()).hexdigest() != PINNED:
        raise SourceRefused("disk.img is not what its checksum says", Evidence(advice="download it again"))
"""

SLOW = f"""\
{HEAD}@recipe(timeout="1s")
def wait(sh: Shell) -> None:
    sh.sleep(60)
"""

GREEDY = """\
from time import sleep

from kvmdocs import Shell, recipe


@recipe(memory="64M")
def fill(sh: Shell) -> None:
    kept = []
    while True:
        kept.append(b"x" * (64 << 20))
        sleep(0.2)
"""

DEBUGGER = """\
from kvmdocs import Shell, recipe
from kvmdocs.lab import Gdb


@recipe()
def debug(sh: Shell) -> None:
    with Gdb(sh, program=sh.workspace / "qemu-system-x86_64") as gdb:
        gdb("info functions")
"""

VALUE = f"""\
{HEAD}@recipe()
def handle(sh: Shell) -> object:
    return range(4)
"""

PROGRAM = f"""\
{HEAD}@recipe()
def call(sh: Shell) -> None:
    sh.run("no-such-tool", "--version")
"""

TOOL = f"""\
{HEAD}@recipe(tools=("no-such-tool",))
def measure(sh: Shell) -> None:
    sh.run("no-such-tool", "--version")
"""

KILLED = f"""\
import os

{HEAD}@recipe()
def end(sh: Shell) -> None:
    os.kill(os.getpid(), 9)
"""

LONG = f"""\
{HEAD}@recipe()
def rest(sh: Shell) -> None:
    sh.sleep(600)
"""

RUNS = {
    "CatalogError": ("boot", UNKNOWN_INPUT, "which is not there"),
    "RecipeFailed": ("count", NOT_TRUE, "assert"),
    "CommandFailed": ("look", COMMAND, "exit 2"),
    "SourceRefused": ("unpack", DOWNLOAD, "not what its checksum says"),
    "TimedOut": ("wait", SLOW, "time limit"),
    "OutOfMemory": ("fill", GREEDY, "memory"),
    "LabFailed": ("debug", DEBUGGER, "for gdb to read symbols from"),
    "ValueNotStorable": ("handle", VALUE, "cannot be"),
    "HostLacks": ("call", PROGRAM, "there is no program"),
    "Skipped": ("measure", TOOL, "no-such-tool"),
    "WorkerLost": ("end", KILLED, "SIGKILL"),
}
"""For each error class: the recipe's name, its module, and a text that the message must contain."""


@recipe(data=ENGINE, expects="20s", timeout="5m", memory="1G")
def mistakes(sh: Shell) -> None:
    """Make every mistake that kvmdocs has a message for, in a small project of its own."""
    # Use the `kvmdocs` of the environment that runs this recipe; a reader has it on PATH.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with sh.section("project"):
        sh.write("kvmdocs.toml", SETTINGS)
        sh.write("mkdocs.yml", CONFIG)
        sh.write("howto/hello.py", HELLO)
    (sh.workspace / "howto/__init__.py").touch()
    (sh.workspace / "docs").mkdir()
    for error, (name, text, said) in RUNS.items():
        with sh.section(error):
            module = sh.write(f"howto/{name}.py", text)
            told = sh.line(f"kvmdocs run {name} 2>&1", _ok_code=ANY)
        assert said in told, (error, told)
        module.unlink()
    with sh.section("StoreError"):
        told = sh.line("KVMDOCS_STORE_PATH=/proc/store kvmdocs run hello 2>&1", _ok_code=ANY)
    assert "/proc/store" in told
    with sh.section("SettingError"):
        told = sh.line("KVMDOCS_LIMITS_JOBS=two kvmdocs run hello 2>&1", _ok_code=ANY)
    assert "KVMDOCS_LIMITS_JOBS" in told
    _interrupt(sh)
    with sh.section("GuideError"):
        sh.write("docs/index.md", GUIDE)
        told = sh.line("kvmdocs build 2>&1", _ok_code=ANY)
    assert "docs/index.md:6" in told


def _interrupt(sh: Shell) -> None:
    """Press Ctrl-C, which sends SIGINT, while a recipe runs."""
    with sh.section("Interrupted"):
        module = sh.write("howto/rest.py", LONG)
        # The process id differs on every run, so it is kept in a file with a fixed name.
        running = sh.spawn("bash", "-c", "echo $$ > run.pid; exec kvmdocs run rest")
        until = time.monotonic() + 60
        while "sleep 600" not in running.output() and running.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        sh.line("kill -INT $(cat run.pid)")
        status = running.wait(60)
    module.unlink()
    assert "kvmdocs: interrupted" in running.output()
    assert status == 130
