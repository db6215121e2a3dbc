"""Titles of recipes in further languages."""

from __future__ import annotations

import tomllib
from types import SimpleNamespace

import pytest

from kvmdocs.catalog.titles import titles, with_title
from kvmdocs.cli.scaffold import plan_recipe
from kvmdocs.core.errors import SettingError
from kvmdocs.core.settings import Settings
from kvmdocs.execution.project import Project
from tests.support import ROOT


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "kvmdocs.toml").write_text('[project]\ntitles = "titles.toml"\n')

    def written(text: str) -> Settings:
        (tmp_path / "titles.toml").write_text(text, "utf-8")
        return Settings.load(tmp_path, {})

    return written


def test_a_language_has_a_table(settings):
    known = settings('[zh]\na = "做甲。"\n')
    assert titles(known, "zh", {"a", "b"}) == {"a": "做甲。"}
    assert titles(known, "en", {"a", "b"}) == {}


def test_without_the_setting_there_is_nothing_to_read(tmp_path):
    assert titles(Settings.load(tmp_path, {}), "zh", {"a"}) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[zh]\na = "x"\ngone = "y"\n', "titles.toml:3: gone is not a recipe of this project"),
        ("[zh]\n\na = 1\n", "titles.toml:3: a is not a string"),
        ('zh = "x"\n', "titles.toml:1: zh is not a table of titles"),
        ("[zh\n", "titles.toml: "),
    ],
)
def test_a_mistake_names_its_line(settings, text, told):
    with pytest.raises(SettingError) as raised:
        titles(settings(text), "zh", {"a"})
    assert told in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    (tmp_path / "kvmdocs.toml").write_text('[project]\ntitles = "nowhere.toml"\n')
    with pytest.raises(SettingError, match=r"nowhere\.toml"):
        titles(Settings.load(tmp_path, {}), "zh", {"a"})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[zh]\nb = "做\\"乙\\"。"\n'),
        ('# Why\n\n[zh]\na = "x"\n', '# Why\n\n[zh]\na = "x"\nb = "做\\"乙\\"。"\n'),
        ('[zh]\na = "x"\n\n[de]\na = "y"\n', '[zh]\na = "x"\nb = "做\\"乙\\"。"\n\n[de]\na = "y"\n'),
        ('[de]\na = "y"\n', '[de]\na = "y"\n\n[zh]\nb = "做\\"乙\\"。"\n'),
    ],
)
def test_a_sentence_is_added_to_its_table(settings, before, after):
    made = with_title(before, "zh", "b", '做"乙"。')
    assert made == after
    assert titles(settings(made), "zh", {"a", "b"})["b"] == '做"乙"。'


def test_a_new_recipe_is_told_in_every_language_that_has_a_table(settings, tmp_path):
    known = settings('[zh]\nfirst = "做。"\n')
    project = SimpleNamespace(root=tmp_path, settings=known, catalog=SimpleNamespace(entries={"first": None}))
    planned = plan_recipe(project, "second")
    assert tomllib.loads(planned[tmp_path / "titles.toml"])["zh"].keys() == {"first", "second"}


def test_the_handbook_tells_every_recipe_in_chinese():
    project = Project(ROOT)
    untold = set(project.catalog.entries) - set(titles(project.settings, "zh", project.catalog.entries))
    assert not untold, f"add what they do to {project.settings['project.titles']}, below [zh]: {', '.join(sorted(untold))}"
