"""A block is the same for the page, for the tests and for the plan, however it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from kvmdocs.catalog.page_blocks import page_blocks

MKDOCS = """\
site_name: x
use_directory_urls: false
plugins: [markdown-exec, kvmdocs]
markdown_extensions:
  - admonition
  - attr_list
  - def_list
  - footnotes
  - md_in_html
  - pymdownx.details
  - pymdownx.tabbed:
      alternate_style: true
  - pymdownx.snippets
  - pymdownx.superfences
"""

# Each spelling has the mark N where its number stands, and runs unless its name begins with "no".
SPELLINGS = {
    "plain": '```python exec="on"\nprint("ranN")\n```',
    "py": '```py exec="on"\nprint("ranN")\n```',
    "tildes": '~~~python exec="on"\nprint("ranN")\n~~~',
    "four": '````python exec="on"\nprint("ranN")\n````',
    "blank": '``` python exec="on"\nprint("ranN")\n```',
    "single quotes": "```python exec='on'\nprint(\"ranN\")\n```",
    "yes": '```python exec="yes"\nprint("ranN")\n```',
    "any word": '```python exec="sure"\nprint("ranN")\n```',
    "one": '```python exec="1"\nprint("ranN")\n```',
    "attributes": '```{.python exec="on"}\nprint("ranN")\n```',
    "attributes with blanks": '```{ .python exec="on" }\nprint("ranN")\n```',
    "identifier": '```{.python #anN exec="on"}\nprint("ranN")\n```',
    "title": '```python title="a" exec="on"\nprint("ranN")\n```',
    "session": '```python exec="on" session="N"\nprint("ranN")\n```',
    "html": '```python exec="on" html="true"\nprint("<p>ranN</p>")\n```',
    "above": '```python exec="on" source="above"\nprint("ranN")\n```',
    "in a list": '- item\n\n    ```python exec="on"\n    print("ranN")\n    ```',
    "in a numbered list": '1. item\n\n    ```python exec="on"\n    print("ranN")\n    ```',
    "in a nested list": '- a\n    - b\n\n        ```python exec="on"\n        print("ranN")\n        ```',
    "in an admonition": '!!! note\n\n    ```python exec="on"\n    print("ranN")\n    ```',
    "in folded text": '??? note\n\n    ```python exec="on"\n    print("ranN")\n    ```',
    "in a tab": '=== "a"\n\n    ```python exec="on"\n    print("ranN")\n    ```',
    "in a definition": 'Term\n:   text\n\n    ```python exec="on"\n    print("ranN")\n    ```',
    "in a quotation": '> ```python exec="on"\n> print("ranN")\n> ```',
    "in html": '<div markdown>\n\n```python exec="on"\nprint("ranN")\n```\n\n</div>',
    "with tabs": '- item\n\n\t```python exec="on"\n\tprint("ranN")\n\t```',
    "included": '--8<-- "part.md"',
    "two blank lines inside": '```python exec="on"\nx = 1\n\n\nprint("ranN")\n```',
    "a shorter fence inside": '````python exec="on"\n"""\n```\n"""\nprint("ranN")\n````',
    "no: off": '```python exec="off"\nprint("ranN")\n```',
    "no: no": '```python exec="no"\nprint("ranN")\n```',
    "no: zero": '```python exec="0"\nprint("ranN")\n```',
    "no: empty": '```python exec=""\nprint("ranN")\n```',
    "no: none": '```python\nprint("ranN")\n```',
    "no: inline": '`python exec="on" print("ranN")`',
    "no: example": '````md\n```python exec="on"\nprint("ranN")\n```\n````',
    "no: indented code": 'text\n\n    ```python exec="on"\n    print("ranN")\n    ```',
    "no: comment": '<!--\n```python exec="on"\nprint("ranN")\n```\n-->',
    "no: comment in a list": '- item\n\n    <!--\n    ```python exec="on"\n    print("ranN")\n    ```\n    -->',
    "no: console": '```console\nprint("ranN")\n```',
    "no: pycon": '```pycon\n>>> print("ranN")\n```',
}


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[int]]:
    """Return the numbers of the spellings that are blocks for the page, for the catalog and for pytest."""
    root = tmp_path_factory.mktemp("views")
    (root / "docs").mkdir()
    (root / "mkdocs.yml").write_text(MKDOCS)
    (root / "kvmdocs.toml").write_text('[project]\nrecipes = "none_here"\n[store]\npath = "store"\n')
    texts = [text.replace("N", f"{number:02}") for number, text in enumerate(SPELLINGS.values())]
    number = list(SPELLINGS).index("included")
    (root / "part.md").write_text(SPELLINGS["plain"].replace("N", f"{number:02}"))
    (root / "docs" / "index.md").write_text("\n\n## Next\n\n".join(texts))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KVMDOCS_")}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=root, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("mkdocs", "build", "--strict", "-q")
    page = (root / "site" / "index.html").read_text()
    collected = run("pytest", "docs", "--collect-only", "-q", "-p", "no:cacheprovider", "-o", "addopts=")
    lines = {int(line) for line in re.findall(r"index\.md::line (\d+)", collected)}
    included = "part.md line 1" in collected
    blocks = page_blocks(root, root / "docs" / "index.md").blocks
    by_line = {block.line: _number(block.code) for block in blocks if block.file.name == "index.md"}
    return {
        "page": {int(found) for found in re.findall(r"<p>ran(\d\d)</p>", page)},
        "catalog": {_number(block.code) for block in blocks},
        "pytest": {by_line[line] for line in lines} | ({number} if included else set()),
    }


def _number(code: str) -> int:
    found = re.search(r"ran(\d\d)", code)
    assert found
    return int(found[1])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_three_views_agree(views, spelling):
    number = list(SPELLINGS).index(spelling)
    seen = {view: number in numbers for view, numbers in views.items()}
    assert seen == dict.fromkeys(views, not spelling.startswith("no:"))
