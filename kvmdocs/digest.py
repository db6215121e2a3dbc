"""The key: SHA-256 of all that can change a record, and of nothing else.

`key` is the one place that makes it; its docstring is the list of what counts. The larger part is finding the code a recipe reaches. That is
done on the source, as syntax trees: from the recipe's function along every name it uses, through imports, into every function, class
and constant of the project's recipes and of the engine's lab. Comments, docstrings, line numbers and the file a function lies in are
not in a syntax tree, or are taken out of it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from kvmdocs.errors import CatalogError
from kvmdocs.model import SCHEMA
from kvmdocs.recipe import Recipe

LAB = "kvmdocs.lab"
"""The engine's package whose code counts like the project's own: it decides what a recipe does."""


def key(
    recipe: Recipe,
    *,
    code: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    tools: Mapping[str, str],
    facts: Mapping[str, str],
    environ: Mapping[str, str | None],
) -> str:
    """The key of a recipe's record.

    In it, and nothing else:

    * `code`: the recipe's function, its decorator's arguments included, and all project code it reaches (`Code.digest`);
    * `settings`: the values of the settings it takes;
    * `inputs`: the result digest of every recipe it builds on, or why that one was skipped;
    * `tools`: the version of every tool it declares;
    * `facts`: the host facts it declares;
    * `environ`: the environment variables it declares;
    * the schema's version.

    Not in it: prose, comments, docstrings, titles, the order of definitions, which file they lie in, the working directory, the user, time and locale.

    Returns:
        64 hexadecimal digits.
    """
    parts = {
        "recipe": recipe.name,
        "code": code,
        "settings": dict(settings),
        "inputs": dict(inputs),
        "tools": dict(tools),
        "facts": dict(facts),
        "environ": dict(environ),
        "schema": SCHEMA,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


Meaning = tuple[str, str | None]
"""What an imported name means: a module, and a name in it or None for the module itself."""


@dataclass(frozen=True)
class Module:
    """A module's source as the digest sees it.

    Attributes:
        name: Its dotted name; for a block of a guide the guide's place.
        bindings: What each top-level name is bound to: the statements that define it or change what it holds.
        imports: What each imported name may mean: a module, and a name in it or None for the module itself.
        stars: Modules whose names are all imported.
        package: The package that its relative imports begin at.
    """

    name: str
    bindings: Mapping[str, tuple[ast.AST, ...]]
    imports: Mapping[str, tuple[Meaning, ...]]
    stars: tuple[str, ...] = ()
    package: str = ""


@dataclass
class Code:
    """Finds the project code a function reaches.

    Attributes:
        packages: Packages whose code counts; everything else is a tool or a library.
        blocks: Source of the blocks that define recipes, by the pseudo-module name they are known under.
    """

    packages: tuple[str, ...]
    blocks: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._modules: dict[str, Module | None] = {}
        self._texts: dict[tuple[str, str], str] = {}
        self._edges: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}

    def digest(self, module: str, name: str) -> str:
        """SHA-256 of the definition of `name` in `module` and of all it reaches.

        Raises:
            CatalogError: The source is not there.
        """
        texts = sorted(self.definitions(module, name).values())
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    def definitions(self, module: str, name: str) -> dict[str, str]:
        """Digest of each definition reached, by ``module:name``; where a file lies plays no part in the digests."""
        found: dict[str, str] = {}
        todo = [(module, name)]
        while todo:
            where, what = todo.pop()
            place = f"{where}:{what}"
            if place in found:
                continue
            source = self._module(where)
            if source is None:
                raise CatalogError(f"the source of {where} cannot be read")
            nodes = source.bindings.get(what, ())
            if not nodes:
                continue
            found[place] = f"{what} {self._text(where, what, nodes)}"
            todo.extend(self._next(source, what, nodes))
        return found

    def _next(self, source: Module, name: str, nodes: tuple[ast.AST, ...]) -> tuple[tuple[str, str], ...]:
        """The definitions that one refers to; found once, since most recipes reach the same lab."""
        place = (source.name, name)
        if place not in self._edges:
            reached = (target for node in nodes for target in self._reached(source, node))
            self._edges[place] = tuple(dict.fromkeys(reached))
        return self._edges[place]

    def _text(self, module: str, name: str, nodes: tuple[ast.AST, ...]) -> str:
        place = (module, name)
        if place not in self._texts:
            text = json.dumps([canonical(node) for node in nodes])
            self._texts[place] = hashlib.sha256(text.encode()).hexdigest()
        return self._texts[place]

    def _reached(self, source: Module, node: ast.AST) -> Iterator[tuple[str, str]]:
        """The project definitions that the names in `node` refer to, by module and name."""
        local = _local_imports(node, source.package)
        for chain in _chains(node):
            if chain[0] in local:
                for target, name in local[chain[0]]:
                    yield from self._imported(target, (name, *chain[1:]) if name else chain[1:], set())
            else:
                yield from self._resolve(source, chain, set())

    def _resolve(self, source: Module, chain: tuple[str, ...], seen: set[tuple[str, ...]]) -> Iterator[tuple[str, str]]:
        """What a name and its attributes mean in a module. `seen` ends the search where packages import from themselves."""
        first, rest = chain[0], chain[1:]
        if first in source.bindings:
            yield source.name, first
        # Both may hold: a name that is imported under `try` and set in its `except`.
        for target, name in source.imports.get(first, ()):
            yield from self._imported(target, (name, *rest) if name else rest, seen)
        if first not in source.bindings and first not in source.imports:
            for star in source.stars:
                yield from self._imported(star, chain, seen)

    def _imported(self, target: str, chain: tuple[str, ...], seen: set[tuple[str, ...]]) -> Iterator[tuple[str, str]]:
        """Follow ``target.a.b`` to a definition, through submodules and re-exports."""
        if not chain or not self._counts(target) or (target, *chain) in seen:
            return
        seen.add((target, *chain))
        module = self._module(target)
        if module is not None:
            yield from self._resolve(module, chain, seen)
        if module is None or (module.package == target and chain[0] not in module.bindings):
            submodule = f"{target}.{chain[0]}"
            if self._module(submodule) is not None:
                yield from self._imported(submodule, chain[1:], seen)

    def _counts(self, module: str) -> bool:
        return any(module == package or module.startswith(f"{package}.") for package in (*self.packages, LAB))

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            text = self.blocks.get(name)
            path = _source_file(name) if text is None else None
            if path is not None:
                text = path.read_text("utf-8")
            self._modules[name] = None if text is None else parse_module(name, text, path)
        return self._modules[name]


def parse_module(name: str, text: str, path: Path | None = None) -> Module:
    """Read a module's top-level bindings and imports off its source."""
    bindings: dict[str, dict[int, ast.AST]] = {}
    imports: dict[str, dict[Meaning, None]] = {}
    stars: list[str] = []
    package = name if path is not None and path.name == "__init__.py" else name.rpartition(".")[0]
    for whole in ast.parse(text).body:
        for node in _statements(whole):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for bound, meaning in _imported_names(node, package):
                    imports.setdefault(bound, {})[meaning] = None
                if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                    stars.append(_absolute(node, package))
            else:
                # All of an `if` or a `try` counts for what is bound in it: its condition decides too.
                for bound in _bound(node):
                    bindings.setdefault(bound, {})[id(whole)] = whole
    return Module(
        name,
        {key: tuple(value.values()) for key, value in bindings.items()},
        {key: tuple(value) for key, value in imports.items()},
        tuple(stars),
        package,
    )


def canonical(node: Any) -> Any:
    """A syntax tree as plain lists: without positions, docstrings, and fields that are empty (they differ between Python versions)."""
    if isinstance(node, list):
        return [canonical(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        kept = _without_docstring(value) if name == "body" and isinstance(value, list) else value
        if kept is None or kept == [] or name in {"type_comment", "kind", "ctx"}:
            continue
        fields.append([name, canonical(kept)])
    return [type(node).__name__, *fields]


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """A statement of a module, or for one that holds others (``if``, ``try``, ``with``, loops) those in it."""
    if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While | ast.Match):
        if isinstance(node, ast.With | ast.For):
            yield node
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield from _statements(child)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                for inner in child.body:
                    yield from _statements(inner)
    elif isinstance(node, ast.stmt):
        yield node


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a top-level statement binds, and those whose value it changes: ``TABLE["a"] = 1``, ``TABLE.update(…)``."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif isinstance(child, ast.Attribute | ast.Subscript) and not isinstance(child.ctx, ast.Load):
            yield from _root(child)
    called = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
    # How a page shows a recipe (its notes, in the page's language) is no part of what the recipe does.
    if isinstance(called, ast.Attribute) and called.attr != "show":
        yield from _root(called)


def _root(node: ast.expr) -> Iterator[str]:
    """The name at the beginning of ``name.a[b].c``."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _chains(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[tuple[str, ...]]:
    """Every global name used in a tree with the attributes that follow it: ``a.b.c`` is ``("a", "b", "c")``.

    Args:
        node: The tree.
        local: Names that a function around it binds. A recipe's parameter is named like the recipe it takes, and does not mean it.
    """
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        yield from _function_chains(node, local)
        return
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        # Its variables are its own; only the first iterable is looked up around it.
        first = node.generators[0].iter
        inner = local | {name for part in node.generators for name in _stored(part.target)}
        yield from _chains(first, local)
        for child in ast.iter_child_nodes(node):
            for part in ast.iter_child_nodes(child) if isinstance(child, ast.comprehension) else [child]:
                if part is not first:
                    yield from _chains(part, inner)
        return
    if isinstance(node, ast.Attribute):
        names = [node.attr]
        value = node.value
        while isinstance(value, ast.Attribute):
            names.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name):
            if value.id not in local:
                yield (value.id, *reversed(names))
            return
    elif isinstance(node, ast.Name) and node.id not in local:
        yield (node.id,)
    for child in ast.iter_child_nodes(node):
        yield from _chains(child, local)


def _function_chains(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, local: frozenset[str]
) -> Iterator[tuple[str, ...]]:
    """The same for a function: its defaults, decorators and annotations see the names around it, its body its own."""
    parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    body = node.body if isinstance(node.body, list) else [node.body]
    stored = {name for part in body for name in _stored(part)}
    inner = local | {parameter.arg for parameter in parameters if parameter} | stored
    for part in body:
        yield from _chains(part, inner)
    around: list[ast.AST | None] = [*node.args.defaults, *node.args.kw_defaults]
    around += [parameter.annotation for parameter in parameters if parameter]
    around += [] if isinstance(node, ast.Lambda) else [*node.decorator_list, node.returns]
    for outer in around:
        if outer is not None:
            yield from _chains(outer, local)


_SCOPES = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
"""What has names of its own."""


def _stored(node: ast.AST) -> Iterator[str]:
    """Names assigned in a function's body, without those of functions and comprehensions inside it and those declared global."""
    declared = {name for child in ast.walk(node) if isinstance(child, ast.Global) for name in child.names}
    todo = [node]
    while todo:
        child = todo.pop()
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child.name
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store) and child.id not in declared:
            yield child.id
        if not isinstance(child, _SCOPES):
            todo.extend(ast.iter_child_nodes(child))


def _local_imports(node: ast.AST, package: str) -> dict[str, list[Meaning]]:
    """What the imports inside a function or class mean."""
    found: dict[str, list[Meaning]] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            for name, meaning in _imported_names(child, package):
                found.setdefault(name, []).append(meaning)
    return found


def _imported_names(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Meaning]]:
    """Each name an import statement brings, and what it means."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            if alias.name != "*":
                yield alias.asname or alias.name, (_absolute(node, package), alias.name)
        else:
            first = alias.name.partition(".")[0]
            yield alias.asname or first, (alias.name if alias.asname else first, None)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module an import names, relative imports resolved."""
    if not node.level:
        return node.module or ""
    base = package.split(".")
    base = base[: len(base) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


@lru_cache(maxsize=1024)
def _source_file(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)
