"""A canary in the environment and in a file: a recipe prints it in every way, and nothing that the engine writes has it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import pytest

TOKEN = "tok-canary-8J4kQ2"
PASSWORD = 'c4n4ry/p@ss+w"rd&=zz'
KEY = "\n".join(
    [
        "-----BEGIN PRIVATE KEY-----",
        *(f"MIIcanary{number:02d}" + "abcdefghij" * 4 for number in range(8)),
        "-----END PRIVATE KEY-----",
    ]
)
FORMED = "ghp_" + "c4N4ryc4N4ryc4N4ryc4N4ryc4N4ryc4N4ry"
SECRETS = {"TRIAL_TOKEN": TOKEN, "TRIAL_DB_PASSWORD": PASSWORD, "TRIAL_SIGNING_KEY": KEY}

RECIPES = '''
    import base64, json, os, sys
    from urllib.parse import quote

    def canaries() -> dict:
        """What a recipe is not given, and finds nevertheless."""
        told = Path(f"/proc/{os.getppid()}/environ").read_bytes().split(b"\\0")
        pairs = (line.decode().partition("=")[::2] for line in told if line.startswith(b"TRIAL_"))
        found = dict(pairs)
        # Without the variable it is only what it is by its form.
        return {name: found.get(f"TRIAL_{name}", "no-such-variable") for name in ("TOKEN", "DB_PASSWORD", "SIGNING_KEY")}

    FORMED = "ghp_" + "c4N4ry" * 6

    @recipe(expects="1s", environ=("TRIAL_TOKEN",))
    def tells(sh: Shell) -> dict:
        known = canaries()
        token, password, key = known["TOKEN"], known["DB_PASSWORD"], known["SIGNING_KEY"]
        print(token, FORMED)
        print(password, file=sys.stderr)
        with sh.section("environment"):
            sh.env()
            zeros = "tr '\\\\0' '\\\\n'"
            environ = "/proc/$PPID/environ"
            sh.line(f"{zeros} < {environ} | grep TRIAL_; cat {environ} | {zeros} | grep -a TRIAL", _ok_code=[0, 1])
            sh.line("echo $TRIAL_TOKEN")
        with sh.section(f"typed {token}"):
            sh.echo(token, password, FORMED)
            sh.line(f"echo {token} '{FORMED}' # {password}")
            sh.bash("-xc", f"echo {token}")
            sh.cat(_in=f"{token} {password}\\n{key}\\n")
        with sh.section("forms"):
            sh.echo(base64.b64encode(f"user:{token}".encode()).decode(), base64.b64encode(f"me:{password}".encode()).decode())
            sh.echo(quote(password), quote(password, safe=""), json.dumps(password), repr(password), password.encode().hex())
            sh.write("note", f"{token}\\n{password}\\n{key}\\n{FORMED}\\n")
            sh.cat("note")
            sh.line("head -n -1 note > inner; base64 -w 20 inner; sed 's/^/    /' inner")
            sh.line(f"grep --color=always -e canary -e c4n4ry note; curl --version | grep --color=always -o '^curl'; true")
            sh.line("fold -w 11 inner; fold -w 30 inner | sed 's/$/\\\\r/'")
        with sh.section("much"):
            sh.line(f"for i in $(seq 3000); do cat note; done")
            halves = "import sys, time\\nfor half in sys.argv[1:]:\\n    print(half, end='')\\n    time.sleep(0.3)"
            sh.python3("-uc", halves, token[:9], token[9:])
            border = "import sys\\nsys.stdout.write('x' * (48 * 1024 - 9) + sys.argv[1] + 'y' * (16 * 1024 - 5) + sys.argv[1])"
            sh.python3("-c", border, token)
        going = sh.spawn("bash", "-c", "cat note; sleep 60")
        while not going.output():
            pass
        going.stop()
        return {"token": token, password: ["a", FORMED, key]}

    @recipe(expects="1s")
    def builds(sh: Shell, tells: dict) -> None:
        sh.echo(*map(str, tells.items()))

    @recipe(expects="1s")
    def fails(sh: Shell) -> None:
        known = canaries()
        sh.echo(known["TOKEN"])
        try:
            raise ValueError(f"first {known['TOKEN']}")
        except ValueError as error:
            raise RuntimeError(f"{known['DB_PASSWORD']} and {FORMED} and {known['SIGNING_KEY']}") from error

    @recipe(expects="1s")
    def asserts(sh: Shell) -> None:
        token = canaries()["TOKEN"]
        assert token == FORMED, f"{token} is not {FORMED}"

    @recipe(expects="1s")
    def skips(sh: Shell) -> None:
        sh.skip(f"no {canaries()['TOKEN']} here, nor {FORMED}")

    @recipe(expects="1s")
    def dies(sh: Shell) -> None:
        print(canaries()["TOKEN"], FORMED, flush=True)
        os._exit(3)

    @recipe(expects="1s")
    def goes_on(sh: Shell) -> None:
        token = canaries()["TOKEN"]
        sh.line(f"for i in $(seq 6000); do echo {token} {FORMED}; done; touch begun; sleep 100")
    '''  # fmt: skip


def needles(*secrets: str) -> list[bytes]:
    """The forms in which a secret would be found, worked out apart from the engine."""
    found = set()
    for secret in secrets:
        lines = [line for line in secret.split("\n") if not line.startswith("-----")]
        for text in lines:
            found |= {text, json.dumps(text)[1:-1], quote(text), quote(text, safe=""), text.encode().hex()}
            for before in range(3):
                found.add(base64.b64encode(b"." * before + text.encode())[4:-4].decode())
    return [text.encode() for text in found]


ALL = needles(*SECRETS.values(), FORMED)


def leaks(data: bytes, where: str) -> list[str]:
    bare = data.replace(b"\n", b"").replace(b"\r", b"")
    return [f"{where}: {secret.decode()}" for secret in ALL if secret in data or secret in bare]


def left(root: Path) -> list[str]:
    """Secrets in files below a folder, but for the recipes themselves and their artefacts."""
    found = []
    for path in root.rglob("*"):
        inside = path.relative_to(root).parts
        if (
            path.is_file()
            and inside[:3] != ("store", "v1", "work")
            and path.suffix not in {".py", ".pyc"}
            and inside[0] != ".git"
        ):
            found += leaks(path.read_bytes(), str(path))
    return found


@pytest.fixture
def project(trial):
    made = trial().recipes(RECIPES)
    made.block("index.md", f"from {made.module} import tells, skips\ntells.show()\nskips.show()")
    made.block("more.md", f"from {made.module} import builds\nbuilds.show()")
    return made


def said(done: subprocess.CompletedProcess[str], *, status: int | None = 0) -> str:
    assert status is None or done.returncode == status, done.stdout + done.stderr
    text = done.stdout + done.stderr
    assert not leaks(text.encode(), " ".join(done.args[2:]))
    return text


@pytest.mark.parametrize("later", [SECRETS, {}], ids=["set", "not set any more"])
def test_a_canary_is_in_nothing_that_is_left_or_said(project, later):
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q", "."], cwd=project.root, check=True)
    (project.root / ".gitignore").write_text("store\nsite\n__pycache__\n")
    assert "tells" in said(project.command("kvmdocs.cli", "build", **SECRETS))
    page = (project.root / "site" / "index.html").read_text()
    assert page.count("&lt;secret&gt;") > 10
    assert "<secret>" in said(project.command("kvmdocs.cli", "run", "tells", **SECRETS))
    for name in ("fails", "asserts", "skips", "dies"):
        said(project.command("kvmdocs.cli", "run", name, **SECRETS), status=None)
    said(project.command("kvmdocs.cli", "run", "fails", "skips", "--json", **SECRETS), status=1)
    said(project.command("kvmdocs.cli", "approve", "tells", "builds", **{**SECRETS, "TRIAL_TOKEN": f"{TOKEN}-new"}))
    assert not left(project.root)
    # From here on what was made may meet an environment that tells nothing of it.
    env = {**later, "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b"}
    for command in (
        ["status"],
        ["why", "--all"],
        ["diff"],
        ["run", "tells"],
        ["approve", "--all"],
        ["export", "tells"],
        ["list"],
    ):
        said(project.command("kvmdocs.cli", *command, **env), status=None)
    said(project.command("kvmdocs.cli", "status", "--json", **env))
    said(project.command("kvmdocs.cli", "build", "--mode", "recorded", **env))
    tests = ["docs", f"{project.package}/all.py", "--junit-xml=junit.xml", "-p", "no:cacheprovider", "--kvmdocs-mode=recorded"]
    said(project.command("pytest", *tests, **env), status=None)
    live = ["docs", f"{project.package}/all.py", "--junit-xml=live.xml", "-k", "not goes_on", "-p", "no:cacheprovider"]
    told = said(project.command("pytest", *live, **SECRETS), status=1)
    assert "assertion failed" in told
    assert not left(project.root)
    subprocess.run([*git, "add", "-A"], cwd=project.root, check=True)
    subprocess.run([*git, "commit", "-qm", "x"], cwd=project.root, check=True)
    said(project.command("kvmdocs.cli", "publish", "1", **env), status=None)
    subprocess.run(["git", "checkout", "-q", "pages"], cwd=project.root, check=True)
    assert (project.root / "versions.json").exists() or any(project.root.rglob("versions.json"))
    assert not left(project.root)


def test_a_build_that_is_killed_leaves_none(project):
    project.environ.update(SECRETS)
    build = project.start("kvmdocs.cli", "run", "goes_on")
    try:
        deadline = time.monotonic() + 60
        while not any((project.root / "store").rglob("begun")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        assert list((project.root / "store" / "v1" / "runs").glob("*/task.json"))
        assert list((project.root / "store" / "v1" / "logs").rglob("*.log"))
        assert not left(project.root)
    finally:
        os.kill(build.pid, signal.SIGKILL)
        build.wait()
    assert not left(project.root)


def toml(made, text: str) -> None:
    path = made.root / "kvmdocs.toml"
    path.write_text(path.read_text() + text)


def test_what_a_recipe_gets_is_the_real_text(trial, monkeypatch):
    monkeypatch.setenv("TRIAL_TOKEN", TOKEN)
    made = trial()
    toml(made, '[api]\ntoken = "none"\n')
    monkeypatch.setenv("KVMDOCS_API_TOKEN", "tok-setting-77")
    made.recipes(
        """
        @recipe(environ=("TRIAL_TOKEN",))
        def gets(sh: Shell, token: str = setting("api.token")) -> int:
            assert sh.line("echo $TRIAL_TOKEN") == "!!\\n"
            assert sh.printenv("TRIAL_TOKEN") == "!!\\n"
            assert sh.write("f", token).read_text() == "tok-setting-77"
            return len(token)
        """.replace("!!", TOKEN)
    )
    record = made.run("gets").records["gets"]
    assert record.failure is None
    assert record.value == 14
    assert record.settings == {"api.token": "<secret>"}
    assert record.steps[2].stdin == "<secret>"
    assert not left(made.root)


def test_another_secret_is_no_other_record_and_no_secret_is(trial, monkeypatch):
    made = trial().recipes("""
        @recipe(environ=("TRIAL_TOKEN", "TRIAL_WORD"))
        def shows(sh: Shell) -> str:
            return sh.line("echo token $TRIAL_TOKEN")
        """)
    monkeypatch.setenv("TRIAL_TOKEN", TOKEN)
    first = made.run("shows").records["shows"]
    assert first.value == "token <secret>\n"
    monkeypatch.setenv("TRIAL_TOKEN", "another-canary-of-today")
    assert made.run("shows").records["shows"].key == first.key
    monkeypatch.setenv("TRIAL_WORD", "word")
    assert made.run("shows").records["shows"].key != first.key
    monkeypatch.delenv("TRIAL_WORD")
    monkeypatch.delenv("TRIAL_TOKEN")
    told = made.kvmdocs("why", "shows").output
    assert "environment variable TRIAL_TOKEN <secret> → (not set)" in told


def test_a_path_with_a_secret_in_its_name_cannot_be_a_result(trial, monkeypatch):
    monkeypatch.setenv("TRIAL_TOKEN", TOKEN)
    made = trial().recipes("""
        @recipe(environ=("TRIAL_TOKEN",))
        def names(sh: Shell) -> Path:
            import os
            return sh.write(os.environ["TRIAL_TOKEN"], "x")
        """)
    failure = made.run("names").records["names"].failure
    assert failure
    assert failure.error == "ValueNotStorable"
    assert "has a secret in its name" in failure.message


def test_a_script_leaves_out_what_types_a_secret(trial, monkeypatch):
    monkeypatch.setenv("TRIAL_TOKEN", TOKEN)
    made = trial().recipes(f"""
        @recipe()
        def types(sh: Shell) -> None:
            sh.line("echo {TOKEN}")

        @recipe()
        def harmless(sh: Shell) -> None:
            sh.echo("fine")
        """)
    made.run("types", "harmless")
    script = made.kvmdocs("export", "types", "harmless").output
    assert "# types is left out: a secret is typed in it, which its record does not hold" in script
    assert "echo fine" in script
    assert TOKEN not in script


def test_settings_add_and_exempt_variables(trial, monkeypatch):
    monkeypatch.setenv("TRIAL_LICENCE", "licence-of-trial")
    monkeypatch.setenv("TRIAL_CACHE_KEY", "linux-x86_64-v3")
    made = trial()
    toml(made, '[secrets]\nvariables = ["*_LICENCE"]\nexempt = ["TRIAL_CACHE_KEY"]\n')
    made.recipes("""
        @recipe()
        def shows(sh: Shell) -> None:
            sh.echo("licence-of-trial", "linux-x86_64-v3")
        """)
    record = made.run("shows").records["shows"]
    assert record.steps[0].output.head == "<secret> linux-x86_64-v3\n"


def test_what_a_block_prints_by_itself_has_no_secret(trial, monkeypatch):
    monkeypatch.setenv("TRIAL_TOKEN", TOKEN)
    made = trial().recipes("")
    made.block("index.md", "import os\nprint('so ' + os.environ.get('TRIAL_TOKEN', ''))")
    assert made.kvmdocs("build").exit_code == 0
    assert (
        "so &lt;secret&gt;" in (made.root / "site" / "index.html").read_text()
        or "so <secret>" in (made.root / "site" / "index.html").read_text()
    )
    assert not left(made.root)
