"""Finding the blocks of a guide."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.catalog.guides import blocks_of, find_blocks, only_shows, outside_blocks, shows, unexecuted


@pytest.fixture
def blocks(tmp_path):
    """Gives line and code of each block of a text."""

    def found(text: str) -> list[tuple[int, str]]:
        guide = tmp_path / "guide.md"
        guide.write_text(textwrap.dedent(text), "utf-8")
        return [(block.line, block.code) for block in find_blocks(guide)]

    return found


@pytest.mark.parametrize(
    "info",
    [
        'python exec="on"',
        "python exec='on'",
        'py exec="true"',
        'python exec="1" html="true"',
        'python title="a b" exec="YES"',
        'python exec="y"',
        'python exec="always"',
        "python exec",
        '{.python exec="on"}',
        '{ .py exec="on" }',
    ],
)
def test_every_spelling_of_a_block_is_found(blocks, info):
    assert blocks(f"text\n\n```{info}\nprint(1)\n```\n") == [(3, "print(1)")]


@pytest.mark.parametrize(
    "info",
    [
        "python",
        'python exec="off"',
        'python exec="0"',
        'bash exec="on"',
        'python exec=""',
        '"unclosed python exec="on',
        "",
        "{}",
    ],
)
def test_what_is_not_to_be_run_is_no_block(blocks, info):
    assert blocks(f"```{info}\nprint(1)\n```\n") == []


def test_several_blocks_keep_their_lines(blocks):
    assert blocks("""\
        # Title
        ```python exec="on"
        one()

        more()
        ```
        ```bash
        ls
        ```
        ~~~ python exec="on"
        two()
        ~~~
        """) == [(2, "one()\n\nmore()"), (10, "two()")]


def test_a_block_inside_a_longer_fence_is_an_example(blocks):
    assert blocks("""\
        ````markdown
        ```python exec="on"
        never()
        ```
        ````
        ~~~~~text
        ~~~python exec="on"
        never()
        ~~~
        ~~~~~
        ```python exec="on"
        always()
        ```
        """) == [(11, "always()")]


def test_a_longer_fence_of_its_own_may_hold_a_shorter_one(blocks):
    assert blocks('````python exec="on"\ntext = """\n```\n"""\n````\n') == [(1, 'text = """\n```\n"""')]


def test_other_fences_do_not_close_a_block(blocks):
    assert blocks('```python exec="on"\na()\n~~~\nb()\n``` not an end\nc()\n```\n') == [
        (1, "a()\n~~~\nb()\n``` not an end\nc()"),
    ]


def test_an_indented_block_loses_its_indentation_and_keeps_its_own(blocks):
    assert blocks("""\
        - a list

            ```python exec="on"
            if True:
                one()
            ```

        === "Tab"

        \t```python exec="on"
        \ttwo()
        \t```
        """) == [(3, "if True:\n    one()"), (10, "two()")]


def test_a_quoted_block_loses_its_marks(blocks):
    assert blocks("""\
        > ```python exec="on"
        > if 1 > 0:
        >     one()
        >
        > two()
        > ```
        """) == [(1, "if 1 > 0:\n    one()\n\ntwo()")]


UNEXECUTED = {
    "never closed": '```python exec="on"\none()\n\nSome prose.\n',
    "line of a bullet": '- ```python exec="on"\n  one()\n  ```\n',
    "line of a bullet or number": '1. ```python exec="on"\n   one()\n   ```\n',
    "indented less than its fence": '    ```python exec="on"\n  one()\n    ```\n',
    "options are not": "```python exec=on\none()\n```\n",
    "options are not those": '```python exec="on" returncode="x"\none()\n```\n',
}


@pytest.mark.parametrize("why", UNEXECUTED)
def test_a_block_that_the_page_would_show_as_source_is_told(blocks, why):
    text = UNEXECUTED[why]
    assert blocks(text) == []
    ((line, reason),) = unexecuted(text)
    assert line == 1
    assert why in reason


@pytest.mark.parametrize(
    "text",
    [
        '```python exec="on"\none()\n```\n',
        '```python exec="off"\n',
        '````md\n```python exec="on"\n````\n',
        '<!--\n```python exec="on"\none()\n-->\n',
        "Write ```python exec=on``` here.\n",
        '---\ntitle: |\n  ```python exec="on"\n---\n',
    ],
)
def test_what_is_no_such_block_is_not(text):
    assert list(unexecuted(text)) == []


def test_lines_outside_of_blocks():
    assert list(outside_blocks("a\n```\nb\n```\nc")) == [(1, "a"), (5, "c")]


def test_a_block_that_shows_recipes():
    assert shows("hello.show()")
    assert shows("hello . show ()")
    assert shows("hello.show(")  # reading it names the error
    assert not shows("'.show('")
    assert only_shows("from r import a\na.show()")
    assert not only_shows("a.show(render = f)")
    assert not only_shows("a.show()\nprint(1)")
    assert not only_shows("x = 1")


def test_lines_end_where_editors_say_they_do(blocks):
    assert blocks('a form feed \x0c and \x1e others \u2028 are no line ends\n```python exec="on"\none("\x0c")\n```\n') == [
        (2, 'one("\x0c")')
    ]


def test_windows_line_ends(tmp_path):
    (tmp_path / "guide.md").write_bytes(b'x\r\n```python exec="on"\r\none()\r\ntwo()\r\n```\r\n')
    (block,) = find_blocks(tmp_path / "guide.md")
    assert (block.line, block.code) == (2, "one()\ntwo()")


def test_a_session_is_read(tmp_path):
    (tmp_path / "guide.md").write_text('```python exec="on" session="a"\n1\n```\n```python exec="on"\n1\n```\n')
    assert [block.session for block in find_blocks(tmp_path / "guide.md")] == ["a", ""]


def test_the_source_of_a_block_has_the_lines_of_the_guide(tmp_path):
    (tmp_path / "guide.md").write_text('x\ny\n```python exec="on"\nraise ValueError\n```\n')
    (block,) = find_blocks(tmp_path / "guide.md")
    assert block.padded().splitlines().index("raise ValueError") + 1 == 4


def test_a_guide_that_is_not_utf_8(tmp_path):
    (tmp_path / "guide.md").write_bytes(b"\xff\xfe")
    with pytest.raises(UnicodeDecodeError):
        find_blocks(tmp_path / "guide.md")


PIECES = st.sampled_from(
    ["```", "````", "~~~", "> ", "    ", "\t", "python ", 'exec="on"', "{", "}", '"', "'", "=", "\n", "\n", "\\", "text", "虚"]
)


@given(st.lists(PIECES, max_size=40).map("".join) | st.text())
def test_no_guide_is_too_odd_to_be_read(tmp_path_factory, text):
    lines = text.splitlines()
    found = blocks_of(tmp_path_factory.getbasetemp() / "guide.md", "\n".join(lines))
    numbers = [block.line for block in found]
    assert numbers == sorted(set(numbers))
    for block in found:
        assert "exec" in lines[block.line - 1]
        assert block.code.count("\n") < len(lines)
