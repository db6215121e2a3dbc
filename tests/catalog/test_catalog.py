"""The catalog: recipes of modules and of blocks, and what guides ask for."""

from __future__ import annotations

import re
import textwrap

import pytest

from kvmdocs.core.errors import CatalogError, GuideError

ONE = """
@recipe()
def first(sh: Shell) -> str:
    "Make one."
    return "one"

@recipe()
def second(sh: Shell, first: str) -> None: ...
"""

INLINE = """\
from kvmdocs import Shell, recipe

@recipe()
def inline(sh: Shell) -> str:
    {body}

inline.show()
"""


def problems(trial) -> list[str]:
    return [problem.report() for problem in trial.project().catalog.problems]


def test_recipes_of_all_modules_are_found_with_their_places(trial):
    made = trial().recipes(ONE)
    sub = made.root / made.package / "sub"
    sub.mkdir()
    (sub / "__init__.py").write_text("")
    (sub / "more.py").write_text(
        f"from kvmdocs import recipe\nfrom {made.module} import first\n\n@recipe()\ndef third(sh): ...\n"
    )
    catalog = made.project().catalog
    assert set(catalog.entries) == {"first", "second", "third"}
    assert str(catalog.get("third").place) == f"{made.package}/sub/more.py:4"
    # Imported elsewhere, it is still the one that its own module defines.
    assert catalog.get("first").module == made.module
    assert catalog.problems == []


def test_a_project_without_recipes_is_one(trial):
    catalog = trial().project().catalog
    assert (catalog.entries, catalog.problems, catalog.shown_recipes()) == ({}, [], [])


def test_what_guides_ask_for_is_noted_in_order_with_places(trial):
    made = trial().recipes(ONE)
    made.block("b.md", f"from {made.module} import first, second\nsecond.show('part', title='T')\nfirst.show()\n")
    made.guide("a/deep.md", f'text\n\n```python exec="1"\nfrom {made.module} import first\nfirst.show()\n```\n')
    catalog = made.project().catalog
    assert catalog.shown_recipes() == ["first", "second"]
    assert [str(place) for place in catalog.shown_at("first")] == ["docs/a/deep.md:3", "docs/b.md:3"]
    assert (catalog.requests[1].options.section, catalog.requests[1].options.title) == ("part", "T")


def test_blocks_that_have_to_do_with_no_recipe_are_not_run(trial):
    made = trial()
    made.block("a.md", "open('/tmp/never', 'x' if False else 'q')")
    assert problems(made) == []


def test_a_blocks_print_goes_nowhere_while_it_is_only_read(trial, capsys):
    made = trial().recipes(ONE)
    made.block("a.md", f"import sys\nfrom {made.module} import first\nprint('x')\nsys.stdout.write('y')\nfirst.show()")
    assert made.project().catalog.shown_recipes() == ["first"]
    assert capsys.readouterr().out == ""


# -- inline recipes ---------------------------------------------------------------------------------------------


@pytest.mark.process
def test_a_recipe_of_a_block_is_one_like_any_other(trial):
    made = trial()
    made.block("a.md", INLINE.format(body="return sh.echo('hi').strip()"))
    catalog = made.project().catalog
    assert str(catalog.get("inline").place) == "docs/a.md:6"
    assert catalog.shown_recipes() == ["inline"]
    first = made.run("inline")
    assert first.records["inline"].value == "hi"
    assert made.run("inline").names(freshness="cached") == ["inline"]
    made.guide("a.md", "\n\nmore prose\n\n" + (made.root / "docs/a.md").read_text())
    assert made.run("inline").names(freshness="cached") == ["inline"]
    made.block("a.md", INLINE.format(body="return sh.echo('ho').strip()"))
    assert made.run("inline").records["inline"].value == "ho"


def test_the_same_inline_recipe_in_two_languages_is_one(trial):
    made = trial()
    made.block("en/a.md", INLINE.format(body="return 'x'  # as it is"))
    made.block("zh/a.md", "# 注释\n" + INLINE.format(body="'''做一件事。'''\n    return 'x'"))
    catalog = made.project().catalog
    assert catalog.problems == []
    assert [str(place) for place in catalog.shown_at("inline")] == ["docs/en/a.md:3", "docs/zh/a.md:3"]


def test_two_inline_recipes_of_one_name_and_different_code_are_an_error(trial):
    made = trial()
    made.block("en/a.md", INLINE.format(body="return 'x'"))
    made.block("zh/a.md", INLINE.format(body="return 'y'"))
    (told,) = problems(made)
    assert "two recipes are called inline: one at docs/en/a.md:6, one at docs/zh/a.md:6" in told
    assert "docs/zh/a.md" in told


def test_an_inline_recipe_named_like_one_of_a_module_is_an_error(trial):
    made = trial().recipes(ONE.replace("def first", "def inline").replace("first: str", "inline: str"))
    made.block("a.md", INLINE.format(body="return 'x'"))
    (told,) = problems(made)
    assert f"two recipes are called inline: one at {made.package}/all.py:5, one at docs/a.md:6" in told


@pytest.mark.process
def test_an_inline_recipe_may_build_on_one_of_a_module(trial):
    made = trial().recipes(ONE)
    made.block("a.md", "from kvmdocs import recipe\n@recipe()\ndef inline(sh, first):\n    return first * 2\ninline.show()")
    assert made.run("inline").records["inline"].value == "oneone"


# -- sessions ---------------------------------------------------------------------------------------------------

SESSION = """\
```python exec="on" session="s"
from kvmdocs import recipe
{helper}
```

```python exec="on" session="s"
@recipe()
def inline(sh):
    return helper()
```

```python exec="on" session="s"
inline.show()
```
"""


@pytest.mark.process
def test_blocks_of_a_session_share_names(trial):
    made = trial()
    made.guide("a.md", SESSION.format(helper="def helper():\n    return 1"))
    catalog = made.project().catalog
    assert (catalog.problems, catalog.shown_recipes()) == ([], ["inline"])
    assert made.run("inline").records["inline"].value == 1
    made.guide("a.md", SESSION.format(helper="def helper():\n    return 2"))
    assert made.run("inline").records["inline"].value == 2


def test_sessions_and_guides_share_nothing(trial):
    made = trial().recipes(ONE)
    code = f'```python exec="on" session="s"\nfrom {made.module} import first\nfirst.show()\n```\n'
    made.guide("a.md", code)
    made.guide("b.md", '```python exec="on" session="s"\nfirst.show()\n```\n')
    made.guide("c.md", f'{code}\n```python exec="on" session="t"\nfirst.show()\n```\n')
    told = problems(made)
    assert len(told) == 2
    assert all("NameError" in problem for problem in told)
    assert "docs/b.md:2" in told[0]
    assert "docs/c.md:7" in told[1]


# -- what is wrong ----------------------------------------------------------------------------------------------


def test_two_recipes_of_one_name_are_an_error_with_both_places(trial):
    made = trial().recipes(ONE)
    (made.root / made.package / "more.py").write_text("from kvmdocs import recipe\n@recipe()\ndef first(sh): ...\n")
    with pytest.raises(CatalogError, match="two recipes are called first") as raised:
        _ = made.project().catalog
    assert f"{made.package}/all.py:5" in raised.value.message
    assert f"{made.package}/more.py:2" in raised.value.message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("def broken(:", "SyntaxError"),
        ("import no_such_module_at_all", "no_such_module_at_all"),
        ("raise ValueError('at import')", "ValueError: at import"),
        ("recipe(memory='much')(lambda sh: 1)", "'much' is not a size"),
        ("@recipe()\ndef broken(): ...", "must be `sh: Shell`"),
        ("raise SystemExit(0)", "SystemExit"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_its_line(trial, line, said):
    made = trial().recipes(f"\n\n{line}\n")
    with pytest.raises(CatalogError) as raised:
        _ = made.project().catalog
    assert said in raised.value.message
    assert str(raised.value.evidence.place).endswith(f"{made.package}/all.py:6")


@pytest.mark.parametrize(
    ("code", "line", "said"),
    [
        ("from {module} import frist\nfrist.show()", 4, "did you mean `from {module} import first`?"),
        ("from {module} import zzz\nzzz.show()", 4, "`kvmdocs list` names all recipes"),
        ("from {package}.al import first\nfirst.show()", 4, "kvmdocs list"),
        ("import {module} as r\nx = 1\nr.frist.show()", 6, "did you mean `from {module} import first`?"),
        ("first.show()", 4, "NameError"),
        ("x = 1\nif x\n    first.show()", 5, "SyntaxError"),
        ("from {module} import first\nfirst.show(nothing=1)", 5, "nothing"),
        ("from {module} import first\nfirst.show()\nraise SystemExit", 6, "SystemExit"),
        ("from kvmdocs import recipe\n@recipe()\ndef broken(): ...", 5, "must be `sh: Shell`"),
    ],
)
def test_a_wrong_block_is_named_with_guide_and_line(trial, code, line, said):
    made = trial().recipes(ONE)
    made.block("wrong.md", code.format(module=made.module, package=made.package))
    made.block("right.md", f"from {made.module} import first\nfirst.show()")
    catalog = made.project().catalog
    (problem,) = catalog.problems
    assert isinstance(problem, GuideError | CatalogError)
    assert f"docs/wrong.md:{line}" in problem.report()
    assert said.format(module=made.module) in problem.report()
    assert "first" in catalog.shown_recipes()


def test_all_that_is_wrong_is_told_at_once(trial):
    made = trial().recipes(ONE)
    for name in ("a", "b", "c"):
        made.block(f"{name}.md", "nothing.show()")
    (made.root / "docs" / "d.md").write_bytes(b"\xff")
    told = "\n".join(problems(made))
    assert [f"docs/{name}.md" in told for name in "abcd"] == [True] * 4


def test_an_unknown_name_is_an_error_with_a_suggestion(trial):
    catalog = trial().recipes(ONE).project().catalog
    with pytest.raises(CatalogError, match="there is no recipe 'frist'") as raised:
        catalog.get("frist")
    assert raised.value.evidence.advice == "did you mean 'first'?"
    with pytest.raises(CatalogError) as raised:
        catalog.get("zzz")
    assert "kvmdocs list" in raised.value.evidence.advice


def test_a_parameter_that_names_no_recipe_is_an_error_with_a_suggestion(trial):
    made = trial().recipes(ONE.replace("first: str", "frist: str"))
    (told,) = problems(made)
    assert "recipe second builds on 'frist', which is not there" in told
    assert f"{made.package}/all.py:10" in told
    assert "did you mean 'first'?" in told


def test_only_the_guides_that_are_given_are_read(trial):
    made = trial().recipes(ONE)
    made.block("a.md", "nothing.show()")
    right = made.block("b.md", f"from {made.module} import first\nfirst.show()")
    from kvmdocs.catalog.catalog import Catalog

    catalog = Catalog.load(made.project().settings, [right])
    assert (catalog.problems, catalog.shown_recipes()) == ([], ["first"])


def test_guides_lie_where_the_settings_say(trial):
    made = trial().recipes(ONE)
    path = made.root / "kvmdocs.toml"
    path.write_text(path.read_text().replace("[store]", 'docs = ["pages/en", "pages/zh"]\n[store]'))
    for name in ("pages/zh/a.md", "pages/en/b.md", "pages/c.md"):
        (made.root / name).parent.mkdir(parents=True, exist_ok=True)
        (made.root / name).write_text(
            textwrap.dedent(f'```python exec="on"\nfrom {made.module} import first\nfirst.show()\n```\n')
        )
    assert [str(place) for place in made.project().catalog.shown_at("first")] == ["pages/en/b.md:1", "pages/zh/a.md:1"]


@pytest.mark.process
@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ('@recipe(needs=("ptarce",))\ndef one(sh: Shell) -> None: ...\n', "unknown capability 'ptarce'"),
        ('@recipe(facts=("cpu-flag",))\ndef one(sh: Shell) -> None: ...\n', "unknown host fact 'cpu-flag'"),
        (
            '@recipe()\ndef one(sh: Shell, it: str = setting("qemu.verison")) -> None: ...\n',
            "there is no setting 'qemu.verison'",
        ),
    ],
)
def test_what_a_recipe_asks_for_and_nobody_knows_is_named_with_the_recipes_place(trial, declared, said):
    made = trial().recipes(declared)
    for command in ("run", "status", "why"):
        done = made.command("kvmdocs.cli", command, "one")
        assert done.returncode in (1, 2)
        assert said in done.stderr + done.stdout
        assert re.search(rf"recipe   one \({made.package}/all\.py:\d+\)", done.stderr + done.stdout), done.stderr
