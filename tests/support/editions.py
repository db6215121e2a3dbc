"""A small site in two languages with editions.

Every page differs between two editions, and repeated builds of one edition are identical to the byte.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

CONFIG = """\
site_name: Edition {edition}
docs_dir: docs/{language}
site_dir: site/{language}
theme: {{name: mkdocs, locale: {language}, highlightjs: false}}
plugins: [kvmdocs, markdown-exec]
markdown_extensions: [pymdownx.superfences]
hooks: [hook.py]
"""

HOOK = """\
import os
import time
from pathlib import Path

ROOT = Path(__file__).parent


def on_pre_build(config):
    if not (ROOT / "pages-begin").exists():
        (ROOT / "pages-begin").touch()


def on_post_build(config):
    then = os.environ.get("TRIAL_THEN", "")
    if then and config.theme["locale"].language == "zh":
        (ROOT / "pages-made").touch()
        exec(then, {"time": time, "config": config})
"""

RECIPES = """
@recipe()
def hello(sh: Shell) -> None:
    "Say hello."
    sh.echo("hello")
"""


class Editions:
    """Project of the site."""

    def __init__(self, made, pages: int = 3) -> None:
        self.made, self.root, self.pages = made.recipes(RECIPES), made.root, pages
        self.site = self.root / "site"
        (self.root / "kvmdocs.toml").write_text(
            f'[project]\nrecipes = "{made.package}"\ndocs = ["docs/en", "docs/zh"]\nconfigs = ["en.yml", "zh.yml"]\n'
            'root_pages = "above"\n[store]\npath = "store"\n',
            "utf-8",
        )
        (self.root / "docs/index.md").unlink()
        (self.root / "mkdocs.yml").unlink()
        (self.root / "hook.py").write_text(HOOK, "utf-8")
        (self.root / "above").mkdir()
        # Fixed dates in the files that MkDocs makes.
        self.made.environ["SOURCE_DATE_EPOCH"] = os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
        self.write("A")
        # Pages mark recipes that ran in the same build, so run this one before.
        made.run("hello")

    def write(self, edition: str) -> None:
        """Write the guides of an edition."""
        block = f'```python exec="on"\nfrom {self.made.module} import hello\nhello.show()\n```\n'
        for language in ("en", "zh"):
            (self.root / f"{language}.yml").write_text(CONFIG.format(language=language, edition=edition), "utf-8")
            self.made.guide(f"{language}/index.md", f"# Home\n\nEdition {edition}.\n\n{block}")
            for number in range(self.pages):
                self.made.guide(f"{language}/part/page{number}.md", f"# Page {number}\n\nEdition {edition}.\n")
            self.made.guide(f"{language}/only-in-{edition}.md", f"# Only\n\nEdition {edition}.\n")
            for other in (self.root / "docs" / language).glob("only-in-*.md"):
                if other.stem != f"only-in-{edition}":
                    other.unlink()
        for name in ("index.html", "robots.txt"):
            (self.root / "above" / name).write_text(f"edition {edition}, {{{{ sites | length }}}} languages\n", "utf-8")

    def build(self, *arguments: str):
        """Build the site in this process."""
        return self.made.kvmdocs("build", *arguments)

    def built(self, edition: str) -> dict[str, bytes]:
        """Build an edition; return the contents of the site."""
        self.write(edition)
        (self.root / "pages-begin").unlink(missing_ok=True)
        done = self.build()
        assert done.exit_code == 0, done.output
        return self.held()

    def held(self, site: Path | None = None) -> dict[str, bytes]:
        """Return the contents of a site; see `held`."""
        return held(site or self.site)

    def left(self) -> list[str]:
        """Return the temporary files of builds in the project."""
        return [str(path) for path in self.root.rglob(".kvmdocs-*")]


def held(site: Path) -> dict[str, bytes]:
    """Return a folder's contents by path: bytes of files (without the build's time), targets of links, b"" for folders."""
    contents: dict[str, bytes] = {}
    for path in sorted(site.rglob("*")):
        if path.is_symlink():
            contents[str(path.relative_to(site))] = os.fsencode(os.readlink(path))
        elif path.is_dir():
            contents[f"{path.relative_to(site)}/"] = b""
        else:
            data = path.read_bytes()
            contents[str(path.relative_to(site))] = (
                re.sub(rb'("built": ?)"[^"]*"', rb"\1", data) if path.name == "report.json" else data
            )
    return contents
