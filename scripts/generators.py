"""Build the guides with a site generator that may follow MkDocs: Zensical or ProperDocs.

``make zensical`` and ``make properdocs`` call this with the project's own Python. The generator is installed, in its newest version, into an
environment of its own that sees the project's packages, so nothing it brings touches the locked ones. Records are shown and nothing is run.

The build counts as good when every guide with a block that shows a recipe has become a page with a transcript. Zensical's templates are not
Jinja's (it has no ``str.split``): the project's own are left out for it. ARCHITECTURE.md says what else each lacks.

Exit codes: 0 done, 1 the generator failed or pages lack transcripts, 2 wrong use, 3 the generator cannot be installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

GENERATORS = ("zensical", "properdocs")

FAILED, WRONG, LACKS = 1, 2, 3


def main() -> int:
    """Build both languages with the generator named in ``sys.argv[1]``; returns the exit code."""
    if len(sys.argv) != 2 or sys.argv[1] not in GENERATORS:
        print(f"usage: generators.py {'|'.join(GENERATORS)}", file=sys.stderr)
        return WRONG
    name = sys.argv[1]
    command = install(name)
    if command is None:
        print(f"{name} cannot be installed: see what pip said above", file=sys.stderr)
        return LACKS
    output = ROOT / f"site-{name}"
    shutil.rmtree(output, ignore_errors=True)
    lacking = []
    for language in ("en", "zh"):
        config = write_config(name, language, output)
        try:
            subprocess.run(
                [command, "build", "-f", config],
                cwd=ROOT,
                env={**os.environ, "KVMDOCS_MODE": "recorded", "KVMDOCS_LANGUAGE": language, "PYTHONPATH": str(ROOT)},
                check=True,
            )
        except subprocess.CalledProcessError as error:
            print(f"{name} ended with status {error.returncode}", file=sys.stderr)
            return FAILED
        finally:
            config.unlink()
        lacking += without_transcript(ROOT / "docs" / language, output / language)
    for page in lacking:
        print(f"{page} shows no transcript", file=sys.stderr)
    print(f"{name} built {output}: {'some pages lack their transcripts' if lacking else 'every page has its transcripts'}")
    return FAILED if lacking else 0


def install(name: str) -> Path | None:
    """Install a generator beside the project's packages; gives its command, None if that does not work."""
    folder = ROOT / f".venv-{name}"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # Its own packages come first on the path, the project's behind them.
    (site / "project.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n", "utf-8")
    done = subprocess.run([folder / "bin/pip", "install", "--quiet", "--upgrade", name], check=False)
    return folder / "bin" / name if done.returncode == 0 else None


def write_config(name: str, language: str, output: Path) -> Path:
    """The configuration of a language, with an output folder of its own and without templates that the generator cannot read."""
    parent = "mkdocs.yml" if language == "en" else f"mkdocs.{language}.yml"
    lines = [f"INHERIT: {parent}", f"site_dir: {output.name}/{language}"]
    if name == "zensical":
        plain = output / "overrides"
        shutil.copytree(ROOT / "overrides", plain, ignore=shutil.ignore_patterns("*.html", "*.xml"), dirs_exist_ok=True)
        lines += ["theme:", f"  custom_dir: {plain.relative_to(ROOT)}"]
    config = ROOT / f"mkdocs.{name}.{language}.yml"
    config.write_text("\n".join(lines) + "\n", "utf-8")
    return config


def without_transcript(guides: Path, pages: Path) -> list[str]:
    """The pages that were made of a guide with a block that shows a recipe, and that have no transcript; also those that were not made."""
    found = []
    for guide in sorted(guides.rglob("*.md")):
        name = guide.relative_to(guides).with_suffix("")
        page = next((path for path in (pages / f"{name}.html", pages / name / "index.html") if path.is_file()), None)
        shows = "\n```python exec=" in guide.read_text("utf-8") and ".show(" in guide.read_text("utf-8")
        if page is None or (shows and 'class="tr-stamp' not in page.read_text("utf-8")):
            found.append(str(guide.relative_to(ROOT)))
    return found


if __name__ == "__main__":
    sys.exit(main())
