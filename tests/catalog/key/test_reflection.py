"""Code that reaches definitions without naming them, or reads its own text."""

from __future__ import annotations

import ast

import pytest

from kvmdocs.catalog.key.free_names import names_in
from kvmdocs.catalog.key.module_ast import local_imports, parse_module
from kvmdocs.catalog.key.reflection import Words, outside_names

HEAD = (
    "import sys, importlib, re, inspect\nfrom sys import modules as loaded\nimport importlib.metadata as meta\ndef own(): ...\n"
)


def words(body: str) -> Words:
    text = f"{HEAD}def f(x):\n    {body}\n"
    source = parse_module("m", text)
    node = ast.parse(text).body[-1]
    names, special = names_in(node)
    return Words.of(outside_names(source, names, local_imports(node, "")), special)


@pytest.mark.parametrize(
    "body",
    [
        "return eval('1')",
        "exec(x)",
        "return sys.modules[x]",
        "return loaded[x]",
        "return importlib.import_module(x)",
        "return meta.entry_points()",
        "from importlib import import_module; return import_module(x)",
        "return x.__globals__",
        "return x.__subclasses__()",
        "return getattr(x, '__dict__')",
        "return x().f_globals",
        "import pickle; return pickle.loads(x)",
    ],
)
def test_code_that_can_reach_any_definition_is_dynamic(body):
    assert words(body).dynamic


@pytest.mark.parametrize(
    "body", ["return re.compile(x)", "return own(x)", "return sys.argv", "return x.modules", "return x.eval"]
)
def test_other_code_is_not(body):
    assert not words(body).dynamic


def test_code_that_reads_docstrings_or_source():
    assert words("return x.__doc__").reads_docs
    assert words("return __doc__").reads_docs
    assert words("return getattr(x, '__doc__')").reads_docs
    assert words("return inspect.getsource(x)").reads_source
    assert not words("return x").reads_docs
    assert not words("return x.__doc__").reads_source
