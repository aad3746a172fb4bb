"""Traversal and rewriting of any IR tree made of frozen dataclasses.

The rewriters know no IR: a node is a dataclass instance, its children are the dataclass instances found in its
fields, directly or inside tuples.  A rewrite is a function that returns ``None`` for "unchanged".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

Node = Any
T = TypeVar("T")
Rewrite = Callable[[Node], Node | None]

_LEAVES = ("DType", "Format", "Span", "Vec")


@cache
def _fields(cls: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(cls) if f.compare)


@cache
def _is_node_type(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) and cls.__name__ not in _LEAVES


def is_node(value: Any) -> bool:
    return _is_node_type(value.__class__)


def children(node: Node) -> list[Node]:
    """The nodes directly beneath ``node``, in field order."""
    out: list[Node] = []
    for name in _fields(node.__class__):
        value = getattr(node, name)
        if value.__class__ is tuple:
            _add_nodes(value, out)
        elif _is_node_type(value.__class__):
            out.append(value)
    return out


def _add_nodes(values: tuple[Any, ...], out: list[Node]) -> None:
    for v in values:
        if v.__class__ is tuple:
            _add_nodes(v, out)
        elif _is_node_type(v.__class__):
            out.append(v)


def walk(node: Node) -> Iterator[Node]:
    """``node`` and everything beneath it, parents first."""
    left = [node]
    while left:
        at = left.pop()
        yield at
        left += reversed(children(at))


def depth(node: Node) -> int:
    """How many nodes lie one beneath the other at most, counted without recursion."""
    deepest, left = 0, [(node, 1)]
    while left:
        at, n = left.pop()
        deepest = max(deepest, n)
        left += [(child, n + 1) for child in children(at)]
    return deepest


def map_children(node: T, fn: Callable[[Node], Node]) -> T:
    """``node`` with ``fn`` applied to each child; the same object when nothing changed."""
    changes = {}
    tree: Any = node
    for name in _fields(tree.__class__):
        old = getattr(tree, name)
        new = _map_value(old, fn)
        if new is not old:
            changes[name] = new
    return dataclasses.replace(tree, **changes) if changes else node


def _map_value(value: Any, fn: Callable[[Node], Node]) -> Any:
    if isinstance(value, tuple):
        new = tuple(_map_value(v, fn) for v in value)
        return new if any(a is not b for a, b in zip(new, value, strict=True)) else value
    return fn(value) if is_node(value) else value


def replaced(node: T, table: Mapping[Any, Any]) -> T:
    """``node`` with every node that ``table`` lists replaced; what replaces one is left as it is."""
    if node in table:
        return table[node]  # type: ignore[no-any-return]
    return map_children(node, lambda c: replaced(c, table))


def prewalk(node: T, rewrite: Rewrite) -> T:
    """Rewrite ``node``, then the children of the outcome."""
    new = rewrite(node)
    out: T = map_children(node if new is None else new, lambda c: prewalk(c, rewrite))
    return out


def postwalk(node: T, rewrite: Rewrite) -> T:
    """Rewrite the children, then the node made of them."""
    rebuilt: T = map_children(node, lambda c: postwalk(c, rewrite))
    new = rewrite(rebuilt)
    return rebuilt if new is None else new


def chain(*rewrites: Rewrite) -> Rewrite:
    """The first rewrite that changes the node."""

    def run(node: Node) -> Node | None:
        for rewrite in rewrites:
            new = rewrite(node)
            if new is not None:
                return new
        return None

    return run


def fixpoint(node: T, rewrite: Rewrite, limit: int = 64) -> T:
    """Apply ``postwalk`` until nothing changes, at most ``limit`` times."""
    for _ in range(limit):
        new = postwalk(node, rewrite)
        if new == node:
            return node
        node = new
    return node
