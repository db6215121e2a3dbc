"""Creation of the environment (`scripts/bootstrap.py`), and the lock file."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT

SCRIPT = ROOT / "scripts" / "bootstrap.py"

FAKE_INSTALLER = """
import os, sys, time
root = sys.argv[1]
with open(os.path.join(root, "log"), "a") as log:
    log.write(" ".join(sys.argv[2:]) + "\\n")
if "--help" in sys.argv:
    sys.exit(0)
if sys.argv[2] == "create":
    os.makedirs(os.path.join(root, ".venv", "bin"))
    os.symlink(sys.executable, os.path.join(root, ".venv", "bin", "python"))
what = os.path.basename(sys.argv[-1])
for number in range(PARTS):
    with open(os.path.join(root, ".venv", f"{what}-part-{number}"), "x") as file:
        file.write("part")
    time.sleep(0.05)
sys.exit(STATUS)
"""
"""Stand-in for venv and pip: creates PARTS files one after another, and fails if one of them exists already."""

DRIVER = """
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("bootstrap", sys.argv[1])
bootstrap = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bootstrap)
fake = [sys.executable, os.path.join(bootstrap.ROOT, "installer.py"), bootstrap.ROOT]
bootstrap.installers = lambda base: [bootstrap.Installer("fake", [*fake, "create"], [*fake, "install"])]
# Tests run in an environment. The script would execute itself with the base Python, without these replacements.
sys.prefix = sys.base_prefix
sys.exit(bootstrap.main())
"""


class Fake:
    """Project whose environment is created by the fake installer."""

    parts = 5

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "scripts").mkdir(parents=True)
        shutil.copy(SCRIPT, root / "scripts" / "bootstrap.py")
        (root / "requirements.txt").write_text("one==1 --hash=sha256:00\n")
        (root / "pyproject.toml").write_text('[project]\nname = "x"\n')
        self.status(0)

    def status(self, status: int) -> None:
        text = FAKE_INSTALLER.replace("PARTS", str(self.parts)).replace("STATUS", str(status))
        (self.root / "installer.py").write_text(text)

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", DRIVER, str(self.root / "scripts" / "bootstrap.py")]
        return subprocess.Popen(
            command, cwd="/", text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self) -> tuple[int, str]:
        process = self.start()
        text = process.communicate(timeout=60)[0]
        return process.returncode, text

    def whole(self) -> bool:
        """Check whether every part of every step exists and the stamp is complete."""
        parts = list((self.root / ".venv").glob("*-part-*"))
        stamp = (self.root / ".venv" / "kvmdocs-stamp").read_text()
        return len(parts) == 4 * self.parts and stamp not in ("", "making")

    def log(self) -> list[str]:
        """Return the installer's calls since the log was read last."""
        path = self.root / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line for line in lines if "--help" not in line]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path / "a project")


def test_is_made_once_and_then_left_alone(fake: Fake) -> None:
    status, text = fake.run()
    assert status == 0, text
    assert "1 packages" in text
    assert fake.whole()
    log = fake.log()
    assert log[0] == "create"
    assert len(log) == 4
    assert "--require-hashes" in log[2]
    assert log[3].endswith(f"--editable {fake.root}")
    assert fake.run() == (0, "")
    assert fake.log() == []


def test_is_made_anew_when_the_lock_file_changes(fake: Fake) -> None:
    fake.run()
    (fake.root / "requirements.txt").write_text("one==2 --hash=sha256:01\n")
    fake.log()
    assert fake.run()[0] == 0
    assert fake.log()[0] == "create"
    assert fake.whole()


def test_only_the_project_is_installed_again_when_its_metadata_change(fake: Fake) -> None:
    fake.run()
    for part in (fake.root / ".venv").glob(f"{fake.root.name}-part-*"):
        part.unlink()
    (fake.root / "pyproject.toml").write_text('[project]\nname = "y"\n')
    fake.log()
    assert fake.run()[0] == 0
    log = fake.log()
    assert len(log) == 1
    assert "--editable" in log[0]
    assert fake.run() == (0, "")


def test_is_made_anew_when_its_python_is_gone(fake: Fake) -> None:
    fake.run()
    (fake.root / ".venv" / "bin" / "python").unlink()
    fake.log()
    assert fake.run()[0] == 0
    assert fake.log()[0] == "create"


def test_is_made_anew_when_the_project_was_moved(fake: Fake) -> None:
    fake.run()
    fake.root = fake.root.rename(fake.root.parent / "elsewhere")
    fake.log()
    assert fake.run()[0] == 0
    assert fake.log()[0] == "create"


def test_a_failed_installation_does_not_count_as_done(fake: Fake) -> None:
    fake.status(1)
    status, text = fake.run()
    assert status == 3
    assert (fake.root / ".venv" / "kvmdocs-stamp").read_text() == "making"
    fake.status(0)
    assert fake.run()[0] == 0
    assert fake.whole()
    assert "cannot create a virtual environment" in text


@pytest.mark.parametrize("moment", [0.1, 0.3, 0.5, 0.7, 0.9, 1.2])
def test_killed_at_any_moment_it_is_never_taken_for_done(fake: Fake, moment: float) -> None:
    process = fake.start()
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    stamp = fake.root / ".venv" / "kvmdocs-stamp"
    if stamp.exists() and stamp.read_text() != "making":
        assert fake.whole()
    # Children of the killed process may still be writing: the lock must hold until they exit.
    status, text = fake.run()
    assert status == 0, text
    assert fake.whole()


def test_killed_while_it_wrote_its_first_stamp_it_begins_anew(fake: Fake) -> None:
    (fake.root / ".venv").mkdir()
    (fake.root / ".venv" / "kvmdocs-stamp.new").write_text("mak")
    status, text = fake.run()
    assert status == 0, text
    assert fake.whole()


def test_two_at_once_make_one(fake: Fake) -> None:
    both = [fake.start(), fake.start()]
    texts = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    assert sum("is ready" in text for text in texts) == 1
    assert fake.whole()
    assert fake.log().count("create") == 1


def test_a_link_to_another_checkouts_environment_is_not_followed(fake: Fake, tmp_path: Path) -> None:
    fake.run()
    theirs = tmp_path / "theirs"
    (fake.root / ".venv").rename(theirs)
    stamp = theirs / "kvmdocs-stamp"
    stamp.write_text(stamp.read_text().replace(f"{fake.root}/.venv", "/elsewhere/.venv"))
    before = sorted(theirs.rglob("*"))
    (fake.root / ".venv").symlink_to(theirs)
    status, text = fake.run()
    assert status == 2
    assert "is a link to the environment of another folder" in text
    assert sorted(theirs.rglob("*")) == before


def test_somebody_elses_environment_is_not_touched(fake: Fake) -> None:
    (fake.root / ".venv").mkdir()
    (fake.root / ".venv" / "mine").write_text("precious")
    status, text = fake.run()
    assert status == 2
    assert "move it away" in text
    assert (fake.root / ".venv" / "mine").read_text() == "precious"


def run_with(folder: Path, root: Path, driver: str) -> tuple[int, str]:
    """Run `bootstrap.main` after the code in `driver`, with only the programs in `folder` on PATH."""
    code = DRIVER.replace("bootstrap.installers = lambda base:", "fake_installers = lambda base:").replace(
        "sys.exit(bootstrap.main())", f"{driver}\nsys.exit(bootstrap.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root / "scripts" / "bootstrap.py")],
        env={"PATH": str(folder)},
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout


def program(folder: Path, name: str, script: str = "exit 0") -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


NO_INSTALLER = "bootstrap.installers = lambda base: []\nbootstrap.find_base_python = lambda: '/usr/bin/python3.11'"
USER = "os.geteuid = lambda: 1000"


@pytest.mark.parametrize(
    ("programs", "typed"),
    [
        (["apt-get", "sudo"], "sudo apt-get update && sudo apt-get install --no-install-recommends -y python3"),
        (["apt-get"], "su -c 'apt-get update && apt-get install --no-install-recommends -y python3"),
        (["dnf", "sudo"], "sudo dnf install -y python3-pip"),
        (["pacman"], "su -c 'pacman -S --needed python-pip'"),
    ],
)
def test_without_rights_the_exact_command_is_told(fake: Fake, tmp_path: Path, programs: list[str], typed: str) -> None:
    for name in programs:
        program(tmp_path / "bin", name, f"echo ran {name} $* >> {tmp_path}/ran; exit 1")
    status, text = run_with(tmp_path / "bin", fake.root, f"{NO_INSTALLER}\n{USER}")
    assert status == 3
    assert typed in text
    ran = (tmp_path / "ran").read_text() if (tmp_path / "ran").exists() else ""
    assert "apt-get install" not in ran
    assert "pacman" not in ran
    assert "dnf" not in ran


OWN = os.path.realpath("/usr/bin/python3")
"""The distribution's Python."""


@pytest.mark.parametrize(
    ("base", "package"),
    [(OWN, "python3-venv"), ("/usr/bin/python-of-mine", f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")],
    ids=["the-distributions", "another"],
)
def test_as_root_the_package_is_installed_and_then_used(fake: Fake, tmp_path: Path, base: str, package: str) -> None:
    program(tmp_path / "bin", "apt-get", f"echo $* >> {tmp_path}/ran")
    program(tmp_path / "bin", "env", 'shift; exec "$@"')
    driver = (
        f"bootstrap.installers = lambda base: fake_installers(base) if os.path.exists({str(tmp_path / 'ran')!r}) else []\n"
        f"bootstrap.find_base_python = lambda: {base!r}\n"
        "os.geteuid = lambda: 0"
    )
    status, text = run_with(tmp_path / "bin", fake.root, driver)
    assert status == 0, text
    ran = (tmp_path / "ran").read_text().splitlines()
    assert ran[0].endswith(" update")
    assert ran[-1].endswith(f" install -y --no-install-recommends {package}")
    assert fake.whole()


def test_an_apt_that_fails_is_told(fake: Fake, tmp_path: Path) -> None:
    program(tmp_path / "bin", "apt-get", "echo E: no such package >&2; exit 100")
    program(tmp_path / "bin", "env", 'shift; exec "$@"')
    status, text = run_with(tmp_path / "bin", fake.root, f"{NO_INSTALLER}\nos.geteuid = lambda: 0")
    assert status == 3
    assert "E: no such package" in text
    assert "status 100" in text


def test_a_python_too_old_is_told(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    status, text = run_with(tmp_path / "bin", fake.root, "sys.version_info = (3, 9, 2)")
    assert status == 3
    assert "Python 3.11 or newer is needed" in text


def test_a_newer_python_on_the_path_takes_over(fake: Fake, tmp_path: Path) -> None:
    program(tmp_path / "bin", "python3.12", 'echo "took over: $1"')
    status, text = run_with(tmp_path / "bin", fake.root, "sys.version_info = (3, 9, 2)")
    assert status == 0
    assert text == f"took over: {fake.root}/scripts/bootstrap.py\n"


CONFIG = r"""
:env:.extra-index-url='\nhttps://three.invalid/simple\nhttps://four.invalid/simple'
:env:.find-links='/wheels /more'
:env:.no-index='0'
global.constraint='/somewhere'
global.extra-index-url='https://two.invalid/simple'
global.index-url='https://one.invalid/simple'
"""
"""Output of `pip config list`."""


@pytest.mark.parametrize("status", [0, 2])
def test_uv_installs_from_where_pip_would(tmp_path: Path, status: int) -> None:
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    program(folder, "python", f"cat <<'E'\n{CONFIG}E")
    program(folder, "uv", f"env > {tmp_path}/environ; echo $* > {tmp_path}/typed; exit {status}")
    driver = (
        f"bootstrap.VENV = {str(tmp_path / '.venv')!r}\n"
        "print(bootstrap.install_with_uv(sys.stdin.fileno(), '--require-hashes', '-r', 'lock'))\n"
        "sys.exit(0)"
    )
    assert run_with(Path(os.defpath.partition(":")[0]), Fake(tmp_path / "project").root, driver) == (0, f"{status == 0}\n")
    settings = dict(line.split("=", 1) for line in (tmp_path / "environ").read_text().splitlines() if line.startswith("UV_"))
    assert settings == {
        "UV_DEFAULT_INDEX": "https://one.invalid/simple",
        "UV_INDEX": "https://three.invalid/simple https://four.invalid/simple",
        "UV_FIND_LINKS": "/wheels,/more",
    }
    typed = (tmp_path / "typed").read_text()
    assert typed.startswith("pip install --quiet --python")
    assert typed.endswith("--require-hashes -r lock\n")
    assert "--no-index" not in typed


def test_where_uv_does_not_work_pip_installs(fake: Fake) -> None:
    source = (fake.root / "installer.py").read_text()
    (fake.root / "installer.py").write_text(
        source.replace(
            "what = os.path.basename(sys.argv[-1])",
            'if sys.argv[2] == "create":\n'
            '    os.symlink("/bin/false", os.path.join(root, ".venv", "bin", "uv"))\n'
            "what = os.path.basename(sys.argv[-1])",
        )
    )
    status, text = fake.run()
    assert status == 0, text
    assert fake.whole()


BACKEND = """
import base64, hashlib, os, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "x-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("x.pth", os.getcwd() + "\\n")
        wheel.writestr("x-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: x\\nVersion: 1\\n")
        tags = "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr("x-1.dist-info/WHEEL", tags)
        wheel.writestr("x-1.dist-info/RECORD", "")
    return name
"""


def wheel(folder: Path, name: str) -> str:
    """Make a wheel with one module; return its entry for a lock file."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1-py3-none-any.whl"
    files = {
        f"{name}.py": "VALUE = 1\n",
        f"{name}-1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{name}-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{inner},sha256={digest},{len(text)}\n"
            archive.writestr(inner, text)
        archive.writestr(f"{name}-1.dist-info/RECORD", record)
    return f"{name}==1 \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """Project with a package and a build backend, installed from a folder by the real tools."""
    root = tmp_path / "a project"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, root / "scripts" / "bootstrap.py")
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "x"\nversion = "1"\n'
    )
    (root / "requirements.txt").write_text(wheel(tmp_path / "wheels", "setuptools") + wheel(tmp_path / "wheels", "one"))
    return root


def bootstrap(root: Path, **environ: str) -> tuple[int, str]:
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(root.parent / "wheels"), "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(
        [sys.executable, str(root / "scripts" / "bootstrap.py")],
        env={**os.environ, **offline, **environ},
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
def test_the_real_venv_and_pip(real: Path) -> None:
    status, text = bootstrap(real, PIP_USER="1")
    assert status == 0, text
    done = subprocess.run(
        [real / ".venv" / "bin" / "python", "-c", "import backend, one, sys; print(sys.prefix, one.VALUE, backend.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{real}/.venv 1 {real}/backend.py\n"


@pytest.mark.slow
def test_a_package_that_is_not_what_the_lock_says_is_refused(real: Path) -> None:
    package = real.parent / "wheels" / "one-1-py3-none-any.whl"
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr("evil.py", "")
    status, text = bootstrap(real)
    assert status == 3
    assert "hash" in text.lower()
    assert (real / ".venv" / "kvmdocs-stamp").read_text() == "making"
    assert not list(real.glob(".venv/lib/*/site-packages/one.py"))


# -- the lock file and the project's metadata


def locked() -> dict[str, str]:
    text = (ROOT / "requirements.txt").read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9.-]*)==(\S+)", text, re.MULTILINE))


def wanted() -> set[str]:
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = (ROOT / "requirements.in").read_text().splitlines() + metadata["project"]["dependencies"]
    lines += metadata["build-system"]["requires"]
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines)
    return {re.sub(r"[._-]+", "-", name[0]).lower() for name in names if name}


def test_the_lock_holds_all_that_is_asked_for() -> None:
    assert wanted() <= set(locked())


def test_every_locked_package_has_hashes_and_names_no_place() -> None:
    text = (ROOT / "requirements.txt").read_text()
    entries = re.findall(r"^[a-z0-9].*?==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(entries) >= len(locked())
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|--index|--extra-index|--find-links", text)


def test_mkdocs_stays_below_2() -> None:
    assert locked()["mkdocs"].startswith("1.")
