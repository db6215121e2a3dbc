"""Build the guides with a site generator that may succeed MkDocs: Zensical or ProperDocs.

``make zensical`` and ``make properdocs`` call this with the project's own Python. The newest version of the generator is
installed into a separate environment that can import the project's packages, so the locked ones stay as they are. The pages
show existing records; nothing is run.

The build succeeds if every guide with a block that shows a recipe has become a page with a transcript. Zensical's template
language is not Jinja (it has no ``str.split``), so it is used without the project's templates. ARCHITECTURE.md says what else
each generator lacks.

Exit codes: 0 done, 1 the generator failed or pages lack transcripts, 2 wrong use, 3 the generator cannot be installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from kvmdocs.site.plugin.assets import SHEETS, read

ROOT = Path(__file__).resolve().parent.parent

GENERATORS = ("zensical", "properdocs")

FAILED, WRONG, LACKS = 1, 2, 3


def main() -> int:
    """Build both languages with the generator named in ``sys.argv[1]``; return the exit code."""
    if len(sys.argv) != 2 or sys.argv[1] not in GENERATORS:
        print(f"usage: generators.py {'|'.join(GENERATORS)}", file=sys.stderr)
        return WRONG
    name = sys.argv[1]
    command = install(name)
    if command is None:
        print(f"{name} cannot be installed: see the output of pip above", file=sys.stderr)
        return LACKS
    output = ROOT / f"site-{name}"
    shutil.rmtree(output, ignore_errors=True)
    incomplete = []
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
            print(f"{name} failed with status {error.returncode}", file=sys.stderr)
            return FAILED
        finally:
            config.unlink()
        incomplete += without_transcript(ROOT / "docs" / language, output / language)
    for page in incomplete:
        print(f"{page} shows no transcript", file=sys.stderr)
    print(f"{name} built {output}: {'some pages lack transcripts' if incomplete else 'every page has its transcripts'}")
    return FAILED if incomplete else 0


def install(name: str) -> Path | None:
    """Install a generator beside the project's packages; return its command, None if the installation fails."""
    folder = ROOT / f".venv-{name}"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # The generator's packages precede the project's on the path.
    (site / "project.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n", "utf-8")
    done = subprocess.run([folder / "bin/pip", "install", "--quiet", "--upgrade", name], check=False)
    return folder / "bin" / name if done.returncode == 0 else None


def write_config(name: str, language: str, output: Path) -> Path:
    """Write a language's configuration with a separate output folder, without templates that the generator cannot read."""
    parent = "mkdocs.yml" if language == "en" else f"mkdocs.{language}.yml"
    lines = [f"INHERIT: {parent}", f"site_dir: {output.name}/{language}"]
    if name == "zensical":
        plain = output / "overrides"
        shutil.copytree(ROOT / "overrides", plain, ignore=shutil.ignore_patterns("*.html", "*.xml"), dirs_exist_ok=True)
        names = [f"assets/css/kvmdocs-{name}.css" for name in SHEETS]
        for sheet, path in zip(SHEETS, names, strict=True):
            (plain / path).write_text(read(f"{sheet}.css"), "utf-8")
        lines += ["theme:", f"  custom_dir: {plain.relative_to(ROOT)}"]
        lines += ["extra_css:", *(f"  - {path}" for path in (*names, "assets/css/site.css"))]
    config = ROOT / f"mkdocs.{name}.{language}.yml"
    config.write_text("\n".join(lines) + "\n", "utf-8")
    return config


def without_transcript(guides: Path, pages: Path) -> list[str]:
    """Return the guides that show a recipe but whose page has no transcript, and the guides without a page."""
    incomplete = []
    for guide in sorted(guides.rglob("*.md")):
        name = guide.relative_to(guides).with_suffix("")
        page = next((path for path in (pages / f"{name}.html", pages / name / "index.html") if path.is_file()), None)
        shows = "\n```python exec=" in guide.read_text("utf-8") and ".show(" in guide.read_text("utf-8")
        if page is None or (shows and 'class="tr-stamp' not in page.read_text("utf-8")):
            incomplete.append(str(guide.relative_to(ROOT)))
    return incomplete


if __name__ == "__main__":
    sys.exit(main())
