"""Topological orders of a few loops.

networkx has them, too, but to import it takes longer than to compile a small kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

Before = Mapping[str, frozenset[str]]
"""For each node those that come before it."""


def before(nodes: Iterable[str], pairs: Iterable[tuple[str, str]]) -> Before:
    """The graph with an edge from the first of each pair to the second.

    >>> {v: sorted(ws) for v, ws in before("ij", [("j", "i")]).items()}
    {'i': ['j'], 'j': []}
    """
    out: dict[str, set[str]] = {v: set() for v in nodes}
    for a, b in pairs:
        out[b].add(a)
    return {v: frozenset(ws) for v, ws in out.items()}


def first(graph: Before, key: Callable[[str], int]) -> tuple[str, ...] | None:
    """The order that takes the least node by ``key`` that may come next; None if there is a cycle.

    >>> first(before("ijk", [("k", "i")]), "ijk".index)
    ('j', 'k', 'i')
    """
    out: list[str] = []
    left = set(graph)
    while left:
        ready = [v for v in left if graph[v].isdisjoint(left)]
        if not ready:
            return None
        out.append(min(ready, key=key))
        left.remove(out[-1])
    return tuple(out)


def every(graph: Before) -> Iterator[tuple[str, ...]]:
    """All orders of a graph without cycles, least first in the order of its nodes.

    >>> list(every(before("ijk", [("k", "i")])))
    [('j', 'k', 'i'), ('k', 'i', 'j'), ('k', 'j', 'i')]
    """

    def after(done: tuple[str, ...], left: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if not left:
            yield done
        for v in left:
            if graph[v].issubset(done):
                yield from after((*done, v), tuple(w for w in left if w != v))

    return after((), tuple(graph))


__all__ = ["Before", "before", "every", "first"]
