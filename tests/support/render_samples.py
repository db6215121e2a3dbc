"""Sample records, and output that tries to become markup."""

from __future__ import annotations

import re
from typing import Any

from material.plugins.search.plugin import Parser

from kvmdocs.core.model import Freshness, Host, Output, Record, Status, Step, Where
from kvmdocs.recording.recipe import ShowOptions
from kvmdocs.render import Language, Tabs, transcript

HOST = Host("bench", "Debian GNU/Linux 12 (bookworm)", "6.1.0-37-amd64", "x86_64", 2, 8 << 30)
LAB = "~/kvm-lab"

HOSTILE = {
    "fence": '```\n```python exec="on"\nprint("ran")\n```\n````\n~~~\nx\n~~~~',
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)><!-- <![CDATA[ ]]> <?php ?>",
    "snippet": '--8<-- "LICENSE"\n;--8<-- "LICENSE"\n--8<--\nLICENSE\n--8<--',
    "abbreviation": "*[HTML]: what it is\n[^1]: a footnote\n[x]: https://example.org\nHTML [^1] [x]",
    "end tags": '</code></pre></div></section></details></div>\n<div markdown="1">\n**bold**\n</div>',
    "attributes": "{: .x #y onclick=z }\n{.x}\n#!python x\n`#!python x`",
    "colours": "\x1b[31mred\x1b[0m \x1b[1;38;5;208;48;2;1;2;3mmany\x1b[m \x1b[2J\x1b[?25l\x1b]0;title\x07\x1b(Bend",
    "controls": "".join(map(chr, range(9))) + "".join(map(chr, range(11, 32))) + "\x7f\x80\x85\x9b1m\x9f",
    "placeholders": "\x02wzxhzdk:0\x03 \x02klzzwxh:0001\x03 \x0242\x03 \x02amp\x03",
    "long line": "x" * 10_000 + " " + "<&" * 1000,
    "form feed": "page\x0cbreak\x0bvertical\x1c\x1d\x1eseparators",
    "directions": "\u202eright to left\u202c \u2066isolate\u2069 \u200f \ufeff \u2028 \u2029 end",
    "entities": "&amp; &#60;b&#62; &lt; &nosuch; &#0; &#x202e;",
    "markdown": '# heading\n- [ ] task\n1. one\n!!! note\n    text\n??? x\n=== "tab"\n> quote\n***\n| a | b |\n|---|---|\n'
    "[l](javascript:alert(1)) ![i](x) <https://a.b> $x$ ++ctrl+c++ :smile: ==m== ^^i^^ {++a++} a  \nhttps://example.org",
    "metadata": "---\ntitle: x\n---\n\ttab\n\n\n\n        indented\ntab\tin\tline",
    "empty lines": "\n\n\nx\n\n",
    "template": "{{ config }} {% raw %} {# x #}",
}


def make_record(*steps: Step, name: str = "sample", **fields: Any) -> Record:
    """Return a record with defaults for the fields that a test does not need."""
    status = fields.pop("status", Status.PASSED)
    return Record(name, "3f" * 32, status, HOST, "2026-11-23T05:40:11+00:00", steps=steps, **fields)


def host(command: str, output: str = "", **fields: Any) -> Step:
    """Return a step in a user's shell, in the recipe's own folder."""
    return Step(Where.HOST, command, Output(output), **{"cwd": f"{LAB}/sample", "status": 0, **fields})


def show(record: Record, language: Language = Language.EN, **options: Any) -> str:
    """Return a record as HTML."""
    logs = options.pop("logs", lambda name: None)
    fresh = options.pop("freshness", Freshness.RAN)
    beside = options.pop("beside", Tabs())
    return transcript(record, ShowOptions(**options), language, freshness=fresh, logs=logs, beside=beside)


def searched(html: str) -> str:
    """Return the text that the theme's search index contains of a page."""
    parser = Parser()
    parser.feed(f'<h1 id="x">Title</h1><div><div>{html}</div></div><p>after</p>')
    parser.close()
    return re.sub(r"<[^>]+>", "", "".join(text for section in parser.data for text in section.text))
