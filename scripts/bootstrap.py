"""Create the project's virtual environment, ``.venv``, from the hash-locked ``requirements.txt``.

``make`` runs this first, with the host's own Python and no packages installed. So it uses only the modules of the standard
library that Debian's python3-minimal has. It prints nothing if the environment is up to date.

The stamp, ``.venv/kvmdocs-stamp``, identifies what the environment was made from: the lock file, the Python, the path, the
project's metadata. It says ``making`` while the environment is being created, so an interrupted creation starts over. A
``.venv`` without a stamp belongs to somebody else and is not touched. A file lock serialises concurrent runs.

Exit codes: 0 done, 2 a ``.venv`` that is not ours, 3 the host lacks something, 130 interrupted.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import TextIO

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "kvmdocs-stamp")
LOCK = os.path.join(ROOT, ".venv.lock")
REQUIREMENTS = os.path.join(ROOT, "requirements.txt")

MIN_PYTHON = (3, 11)
NEWER_PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")
"""Programs to try when the running Python is too old."""

FIRST_PACKAGES = ("setuptools", "wheel", "uv")
"""Packages to install first. jieba is built from source, and a build may fetch nothing that is not locked. uv installs the
rest in a third of pip's time."""

UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
"""Options of pip that say where packages come from, and uv's variables for them. uv does not read pip's settings."""

WRONG, LACKS, INTERRUPTED = 2, 3, 130


class BootstrapError(Exception):
    """Error that stops the creation of the environment.

    Args:
        code: The exit code.
        message: The problem and the command that solves it.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Installer:
    """Tool that creates an environment and installs packages into it.

    Args:
        name: Its name in messages.
        create: Command that creates an empty environment.
        install: Command that installs packages into it; arguments are appended.
    """

    def __init__(self, name: str, create: list[str], install: list[str]) -> None:
        self.name = name
        self.create = create
        self.install = install


def main() -> int:
    """Create or update the environment if necessary; return the exit code."""
    try:
        base = find_base_python()
        if read_stamp() != identity(base):
            with open_lock() as lock:
                make(base, lock.fileno())
    except BootstrapError as error:
        print(f"environment: {error}", file=sys.stderr)
        return error.code
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"environment: {error}", file=sys.stderr)
        return LACKS
    except KeyboardInterrupt:
        print("environment: interrupted; the next `make` starts over", file=sys.stderr)
        return INTERRUPTED
    return 0


def find_base_python() -> str:
    """Return the Python to create the environment from. If the running one is unsuitable, execute this script with another.

    In an active environment, the script is executed with the Python that the environment was made from.
    """
    if sys.version_info < MIN_PYTHON:
        for name in NEWER_PYTHONS:
            found = which(name)
            if found:
                os.execv(found, [found, os.path.abspath(__file__)])
        have = ".".join(map(str, sys.version_info[:3]))
        raise BootstrapError(
            LACKS, f"Python 3.11 or newer is needed; {sys.executable} is {have}. To name another: make PYTHON=…"
        )
    if sys.prefix != sys.base_prefix:
        inner = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        os.execv(inner, [inner, os.path.abspath(__file__)])
    return os.path.realpath(sys.executable)


def identity(base: str) -> str:
    """Return what an environment is made from: lock file, Python and path on one line, the project's metadata on the next."""
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{digest(REQUIREMENTS)} {version} {base} {VENV}\n{digest(os.path.join(ROOT, 'pyproject.toml'))}"


def digest(path: str) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def read_stamp() -> str | None:
    """Return the environment's stamp; "" if its Python is missing; None if it has no stamp."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            stamp = file.read()
    except FileNotFoundError:
        return None
    return stamp if os.path.exists(os.path.join(VENV, "bin", "python")) else ""


def write_stamp(text: str) -> None:
    """Write the stamp atomically."""
    temporary = STAMP + ".new"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, STAMP)


def open_lock() -> TextIO:
    """Take the lock, waiting for its holder. The kernel releases it when the holder and all its children have exited."""
    lock = open(LOCK, "w", encoding="ascii")  # noqa: SIM115  # the caller closes it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("environment: waiting for another make", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def make(base: str, lock: int) -> None:
    """Create or update the environment while holding the lock."""
    began = time.monotonic()
    wanted = identity(base)
    stamp = read_stamp()
    if stamp == wanted:
        return
    # If this script was killed while writing its first stamp, the temporary stamp is all that is there.
    if os.path.islink(VENV) and stamp and not stamp.partition("\n")[0].endswith(f" {VENV}"):
        raise BootstrapError(WRONG, f"{VENV} is a link to the environment of another folder of the project; remove the link")
    if stamp is None and os.path.isdir(VENV) and set(os.listdir(VENV)) - {os.path.basename(STAMP) + ".new"}:
        raise BootstrapError(WRONG, f"{VENV} was not created by this project; move it away or remove it")
    installer = None
    if stamp is None or stamp.partition("\n")[0] != wanted.partition("\n")[0]:
        print(
            f"environment: creating .venv with Python {wanted.split()[1]} from requirements.txt "
            f"({count()} packages, about 400 MB, up to a minute)",
            flush=True,
        )
        installer = create(base, lock)
        with open(os.path.join(VENV, "kvmdocs-first.txt"), "w", encoding="utf-8") as file:
            file.write(lock_entries(FIRST_PACKAGES))
        install(installer, lock, "--require-hashes", "--no-deps", "-r", file.name)
        rest = ("--require-hashes", "--no-deps", "--no-build-isolation", "-r", REQUIREMENTS)
        if not install_with_uv(lock, *rest):
            install(installer, lock, *rest)
    else:
        # Only pyproject.toml has changed: reinstall the project for its entry points; the packages stay.
        installer = next((installer for installer in installers(base) if works(installer)), None)
        if installer is None:
            raise BootstrapError(LACKS, "no installer works; run `make clean`, then make again")
        write_stamp("making")
    install(installer, lock, "--no-deps", "--no-build-isolation", "--editable", ROOT)
    # Packages are compiled when installed. With PYTHONDONTWRITEBYTECODE, each process would compile the engine again, which
    # takes longer than most of them run.
    command([os.path.join(VENV, "bin", "python"), "-m", "compileall", "-q", os.path.join(ROOT, "kvmdocs")], lock)
    write_stamp(wanted)
    print(f"environment: .venv is ready ({time.monotonic() - began:.0f} s)", flush=True)


def count() -> int:
    """Return the number of packages in the lock file."""
    with open(REQUIREMENTS, encoding="utf-8") as file:
        return sum("==" in line and not line.startswith((" ", "#")) for line in file)


def lock_entries(names: tuple[str, ...]) -> str:
    """Return the lock file's lines for these packages, with hashes."""
    selected, lines = False, []
    with open(REQUIREMENTS, encoding="utf-8") as file:
        for line in file:
            if not line.startswith((" ", "#")):
                selected = line.partition("==")[0] in names
            if selected:
                lines.append(line)
    return "".join(lines)


def installers(base: str) -> list[Installer]:
    """Return the installers that this host has, the preferred one first."""
    inner = os.path.join(VENV, "bin", "python")
    found = []
    if succeeds(base, "-c", "import ensurepip, venv"):
        found.append(Installer("venv", [base, "-m", "venv", VENV], [inner, "-m", "pip", "install", "--use-pep517"]))
    uv = which("uv")
    if uv:
        create = [uv, "venv", "--quiet", "--allow-existing", "--python", base, VENV]
        found.append(Installer("uv", create, [uv, "pip", "install", "--python", inner, "--compile-bytecode"]))
    for command in ([which("virtualenv") or ""], [base, "-m", "virtualenv"]):
        if command[0] and succeeds(*command, "--version"):
            create = [*command, "--quiet", "--python", base, VENV]
            found.append(Installer("virtualenv", create, [inner, "-m", "pip", "install", "--use-pep517"]))
            break
    if succeeds(base, "-c", "import venv") and succeeds(base, "-m", "pip", "--python", base, "--version"):
        create = [base, "-m", "venv", "--without-pip", VENV]
        found.append(Installer("pip", create, [base, "-m", "pip", "--python", inner, "install", "--use-pep517"]))
    return found


def which(name: str) -> str | None:
    """Return the path of a program on PATH; None if there is none."""
    paths = (os.path.join(folder, name) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep))
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def succeeds(*command: str) -> bool:
    """Check whether a command exits with status 0."""
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def works(installer: Installer) -> bool:
    """Check whether an installer works on the environment."""
    return succeeds(*installer.install, "--help")


def create(base: str, lock: int) -> Installer:
    """Create an empty environment with the first installer that works; if none does, install the distribution's package for it.

    Raises:
        BootstrapError: No installer works.
    """
    failures = []
    for attempt in range(2):
        for installer in installers(base):
            clear()
            done = command(installer.create, lock)
            if done.returncode == 0 and works(installer):
                return installer
            failures.append(f"{installer.name}: {done.stdout.strip() or done.returncode}")
        if attempt == 0 and not install_venv(base):
            break
    raise BootstrapError(LACKS, "\n  ".join(["this host cannot create a virtual environment", *failures]))


def clear() -> None:
    """Empty ``.venv``, except for its stamp, which becomes ``making``.

    The folder itself stays: it may be a link to another disk.
    """
    os.makedirs(VENV, exist_ok=True)
    write_stamp("making")
    old = [os.path.join(VENV, name) for name in os.listdir(VENV) if name != os.path.basename(STAMP)]
    if old:
        subprocess.run(["rm", "-rf", "--", *old], check=True)


def install(installer: Installer, lock: int, *arguments: str) -> None:
    """Install packages into the environment.

    Raises:
        BootstrapError: The installer failed. The message has the end of its output.
    """
    done = command([*installer.install, "--quiet", *arguments], lock)
    if done.returncode:
        output = "\n  ".join(done.stdout.strip().splitlines()[-20:])
        raise BootstrapError(LACKS, f"`{' '.join(done.args)}` failed with status {done.returncode}:\n  {output}")


def install_with_uv(lock: int, *arguments: str) -> bool:
    """Install with the environment's own uv, from pip's package sources. Return False if it fails, so that pip can try."""
    uv, inner = (os.path.join(VENV, "bin", name) for name in ("uv", "python"))
    if not os.path.exists(uv):
        return False
    settings = pip_settings(inner)
    sources = {name: settings[key].replace("\\n", " ").strip() for key, name in UV_VARIABLES.items() if key in settings}
    if "UV_FIND_LINKS" in sources:
        sources["UV_FIND_LINKS"] = ",".join(sources["UV_FIND_LINKS"].split())
    offline = ["--no-index"] if settings.get("no-index", "").lower() in ("1", "true", "yes", "on") else []
    # pip treats all indexes alike. uv may do so, too: the hashes in the lock file reject any other file.
    strategy = ["--index-strategy", "unsafe-best-match"]
    install = [uv, "pip", "install", "--quiet", "--python", inner, "--compile-bytecode", *strategy, *offline, *arguments]
    return command(install, lock, {**sources, **os.environ}).returncode == 0


def pip_settings(inner: str) -> dict[str, str]:
    """Return pip's settings by option name. Environment variables override configuration files, as in pip."""
    done = subprocess.run([inner, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, text=True, check=False)
    # pip lists settings sorted by name, so those of the environment (:env:) come first. The last one wins in the dict.
    pairs = sorted((line.partition("=") for line in done.stdout.splitlines()), key=lambda pair: pair[0].startswith(":env:"))
    return {name.rpartition(".")[2]: value.strip("'\"") for name, _, value in pairs}


def command(arguments: list[str], lock: int, environ: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    """Run a command that inherits the lock, so that the lock is held until the command exits, even if this script is killed."""
    # A user's settings for pip, such as installing into the home folder, must not apply here.
    environ = {name: value for name, value in environ.items() if name not in ("PIP_USER", "PIP_REQUIRE_HASHES", "PIP_TARGET")}
    environ.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PIP_ROOT_USER_ACTION="ignore", PIP_USER="0")
    return subprocess.run(
        arguments,
        env=environ,
        pass_fds=[lock],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def install_venv(base: str) -> bool:
    """Name the package that lets this Python create environments, ask, and install it.

    Returns:
        False if no package is known for this distribution.

    Raises:
        BootstrapError: The package cannot be installed. The message has the command to type.
    """
    own = os.path.realpath("/usr/bin/python3") == base
    package = "python3-venv" if own else f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    commands = {
        "apt-get": f"apt-get update && apt-get install --no-install-recommends -y {package}",
        "dnf": "dnf install -y python3-pip",
        "pacman": "pacman -S --needed python-pip",
    }
    manager = next((name for name in commands if which(name)), None)
    if manager is None or not base.startswith("/usr/bin/"):
        return False
    typed = as_root(commands[manager])
    lacking = f"this Python needs {package if manager == 'apt-get' else 'pip'} to create an environment"
    if manager != "apt-get" or not can_install():
        raise BootstrapError(LACKS, f"{lacking}; type this, then run make again:\n  {typed}")
    print(f"environment: {lacking}; installing it with\n  {typed}", flush=True)
    if not confirmed():
        raise BootstrapError(LACKS, "the package was not installed; type the command above, then run make again")
    root = [] if os.geteuid() == 0 else ["sudo"]
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600"]
    # Show apt's errors only. An index that cannot be fetched may not matter.
    subprocess.run([*apt, "update"], stdout=subprocess.DEVNULL, check=False)
    install = [*apt, "install", "-y", "--no-install-recommends", package]
    done = subprocess.run(install, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise BootstrapError(
            LACKS, f"apt-get failed with status {done.returncode}; once this works, run make again:\n  {typed}"
        )
    return True


def as_root(line: str) -> str:
    """Return the command that this user types to run a command line as root."""
    if os.geteuid() == 0:
        return line
    if which("sudo"):
        return line.replace("apt-get", "sudo apt-get") if "apt-get" in line else f"sudo {line}"
    return f"su -c '{line}'"


def can_install() -> bool:
    """Check whether packages can be installed: as root, or with a sudo that needs no password or can ask for one."""
    if os.geteuid() == 0:
        return True
    return which("sudo") is not None and (is_interactive() or succeeds("sudo", "-n", "true"))


def confirmed() -> bool:
    """Ask for confirmation on a terminal. With ``YES=1`` or without a terminal, return True."""
    if os.environ.get("YES", "").lower() in ("1", "y", "yes", "true") or not is_interactive():
        return True
    try:
        return input("install it? [Y/n] ").strip().lower() in ("", "y", "yes")
    except EOFError:
        return False


def is_interactive() -> bool:
    """Check whether a user can answer questions."""
    return sys.stdin.isatty() and sys.stdout.isatty()


if __name__ == "__main__":
    sys.exit(main())
