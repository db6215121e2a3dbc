"""Definitions of a module: what each refers to, and what importing the module does."""

from __future__ import annotations

from kvmdocs.catalog.key.definitions import IMPORT, Definitions, Names
from kvmdocs.catalog.key.module_files import ModuleFiles
from kvmdocs.catalog.key.plain_data import Kind

BLOCK = """
from dataclasses import dataclass
TABLE = {}
LIMIT = 3

@dataclass
class Size:
    number: int

def fill(table):
    table["a"] = LIMIT

def pure(value):
    \"\"\"Say.\"\"\"
    return sorted(value)

class Base:
    def __init_subclass__(cls): ...

class Middle(Base): ...

fill(TABLE)
"""


def definitions() -> Definitions:
    return Definitions(ModuleFiles((), {"a.md:1": BLOCK}))


def test_a_definition_knows_what_it_refers_to():
    found = definitions()
    assert found.get(("a.md:1", "fill")).references == (("a.md:1", "LIMIT"),)
    assert found.get(("a.md:1", "pure")).docs
    assert found.get(("a.md:1", "nothing")) is None


def test_the_effects_of_an_import_are_a_definition():
    effects = definitions().get(("a.md:1", IMPORT))
    assert set(effects.references) == {("a.md:1", name) for name in ("fill", "TABLE", "Base")}
    assert Definitions(ModuleFiles((), {"a.md:1": "x = 1"})).get(("a.md:1", IMPORT)) is None


def test_names_know_which_code_acts():
    found = definitions()
    names = Names(found, found.modules.get("a.md:1"))
    assert names.acts(("fill",))
    assert names.acts(("TABLE", "update"))
    assert not any(map(names.acts, [("pure",), ("Size",), ("LIMIT",), ("TABLE",), ("print",)]))
    assert names.is_value(("TABLE",))
    assert not names.is_value(("fill",))
    assert names.is_own(("fill",))
    assert not names.is_own(("print",))
    assert names.hooks(("Base",))
    assert names.hooks(("Middle",))
    assert not names.hooks(("Size",))
    assert found.get(("a.md:1", "Size")).kind is Kind.DATA
