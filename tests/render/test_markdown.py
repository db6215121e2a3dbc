"""The output of a block passes through Markdown again, with all of the site's extensions. It must not change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown import Markdown
from markdown_exec import markdown_config
from mkdocs.config import load_config

from kvmdocs.catalog.source_excerpt import SourceExcerpt, Written
from kvmdocs.core.model import Output, Step, Where
from kvmdocs.render import Tabs
from tests.support import ROOT
from tests.support.render_samples import HOSTILE, host, make_record, show

# Extensions of other sites whose syntax may occur in a transcript.
MORE: dict[str, dict[str, object]] = {
    "nl2br": {},
    "sane_lists": {},
    "smarty": {},
    "meta": {},
    "pymdownx.arithmatex": {},
    "pymdownx.caret": {},
    "pymdownx.critic": {},
    "pymdownx.escapeall": {},
    "pymdownx.magiclink": {},
    "pymdownx.mark": {},
    "pymdownx.progressbar": {},
    "pymdownx.saneheaders": {},
    "pymdownx.smartsymbols": {},
    "pymdownx.tasklist": {},
    "pymdownx.tilde": {},
}


@pytest.fixture(scope="module", params=["the site's extensions", "every extension"])
def markdown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Markdown]:
    config = load_config(
        str(ROOT / "mkdocs.yml"), docs_dir=str(tmp_path_factory.mktemp("docs")), plugins=["markdown-exec"], hooks=[]
    )
    if request.param == "every extension":
        config.markdown_extensions += MORE
        config.mdx_configs |= MORE
        config.mdx_configs["pymdownx.snippets"] = {"auto_append": ["LICENSE"], "base_path": [str(ROOT)], "check_paths": False}
    config = config.plugins.on_startup(command="build", dirty=False) or config
    config.plugins.on_config(config)
    yield Markdown(extensions=config.markdown_extensions, extension_configs=config.mdx_configs or {})
    markdown_config.reset()


def rendered(markdown: Markdown, html: str) -> str:
    markdown.reset()
    return markdown.convert(f'# Title\n\nHTML before.\n\n```python exec="on"\nprint({html!r})\n```\n\nAfter *it*, HTML.\n')


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_output_arrives_byte_for_byte(markdown: Markdown, name: str) -> None:
    text = HOSTILE[name]
    steps = [
        host("true", text, stdin=text),
        Step(Where.GDB, text.strip(), Output(text)),
        Step(Where.FILE, "x.md", stdin=text),
        Step(Where.HOST, "x", Output(text, text, 5, 500, "log")),
    ]
    listing = SourceExcerpt(f"{text}.py", 7, text, "f")
    beside = Tabs(text, Written(listing, (listing,)))
    html = show(make_record(*steps), title=text, notes={"true": text}, logs=lambda name: "a_b_c.log", beside=beside)
    page = rendered(markdown, html)
    assert html in page
    assert "<em>it</em>" in page, "what follows the block is still Markdown"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    text=st.text(
        st.sampled_from("`~<>&[]{}()*_#!|:=-+^$\\\"'/ \t\n\x02\x03\x0c\u2028ab1") | st.characters(codec="utf-8"), max_size=300
    )
)
def test_any_output_arrives_byte_for_byte(markdown: Markdown, text: str) -> None:
    html = show(make_record(host("true", text)), title=text)
    assert html in rendered(markdown, html)


def test_what_is_escaped_would_otherwise_be_markup(markdown: Markdown) -> None:
    raw = "text\n\n```\nx\n```\n\n<script>1</script>"
    assert raw not in rendered(markdown, raw)
