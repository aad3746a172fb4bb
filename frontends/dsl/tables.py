"""The LALR tables of ``grammar.lark``: made by Lark, then plain numbers and names that ``parser.py`` follows.

Making them takes Lark 100 ms, so they are kept as JSON in the cache folder, one file, written beside and renamed
into place: any number of processes may do so.  A file that is damaged or of another grammar counts as absent, and
so does one that others than this user may write to, for a foreign table could make any text into any program.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sparsec.frontends.dsl.lexer import SYMBOLS
from sparsec.knobs import knobs

LOG = logging.getLogger("sparsec.cache")
STARTS = ("start", "statements", "format_only", "commands")
_FILE = "grammar.json"
_DIGEST = 40
_KINDS = {"int": "INT", "float": "FLOAT", "imaginary": "IMAGINARY", "end": "_NL", "eof": "$END"}


class Rule(NamedTuple):
    """One production: ``build`` names what makes its node, None hands its only child on.

    ``take`` lists the children: place in the production, whether its list is spliced in, how many absent
    optional parts stand before it; ``tail`` counts those at the end.
    """

    origin: str
    build: str | None
    size: int
    take: tuple[tuple[int, bool, int], ...]
    tail: int


class Tables(NamedTuple):
    """``states``: by terminal or rule name, the state to go to, or ``~n`` to reduce by rule n.

    ``terminals`` has for a symbol or keyword the terminals it may be.
    """

    states: list[dict[str, int]]
    rules: tuple[Rule, ...]
    begin: dict[str, int]
    end: dict[str, int]
    terminals: dict[str, tuple[str, ...]]

    def candidates(self, kind: str, text: str) -> tuple[str, ...]:
        """The terminals that a token may be, keywords first."""
        if kind == "name":
            return (*self.terminals.get(text, ()), "NAME")
        return self.terminals[text] if kind in ("symbol", "slot") else (_KINDS[kind],)


@cache
def tables() -> Tables:
    """The tables, from the cache folder if they are there."""
    grammar = (Path(__file__).parent / "grammar.lark").read_bytes()
    path = _path()
    data = None if path is None else _load(path, grammar)
    if data is None:
        data = _make(grammar.decode())
        if path is not None:
            _save(path, grammar, data)
    rules = tuple(
        Rule(o, b, n, tuple((i, bool(s), k) for i, s, k in take), tail) for o, b, n, take, tail in data["rules"]
    )
    terminals = {text: tuple(names) for text, names in data["terminals"].items()}
    return Tables(data["states"], rules, data["begin"], data["end"], terminals)


def _make(grammar: str) -> dict[str, Any]:
    """What Lark makes of the grammar, as JSON can say it."""
    from lark import Lark
    from lark.lexer import Lexer
    from lark.parsers.lalr_analysis import Shift

    class NoLexer(Lexer):
        """Lark's own would compile a regular expression for each state."""

        def __init__(self, conf: object) -> None:
            pass

        def lex(self, state: Any, parser: Any) -> Iterator[Any]:
            raise NotImplementedError

    lark = Lark(grammar, parser="lalr", lexer=NoLexer, start=list(STARTS), maybe_placeholders=True)
    table = lark.parser.parser.parser.parse_table
    rules = sorted(lark.rules, key=lambda r: (r.origin.name, r.order, str(r)))
    rule_numbers = {rule: n for n, rule in enumerate(rules)}
    rows = {state: sorted(row.items(), key=lambda item: item[0]) for state, row in table.states.items()}
    numbers = _numbers([table.start_states[s] for s in STARTS], {
        state: [arg for _, (action, arg) in row if action is Shift] for state, row in rows.items()
    })  # fmt: skip
    return {
        "states": [
            {name: numbers[arg] if action is Shift else ~rule_numbers[arg] for name, (action, arg) in rows[state]}
            for state in numbers
        ],
        "rules": [_rule(r) for r in rules],
        "begin": {s: numbers[table.start_states[s]] for s in STARTS},
        "end": {s: numbers[table.end_states[s]] for s in STARTS},
        "terminals": _terminals({t.name: t.pattern.to_regexp() for t in lark.terminals if t.pattern is not None}),
    }


def _numbers(begin: list[Any], following: dict[Any, list[Any]]) -> dict[Any, int]:
    """Numbers for states by their first way from the beginnings: Lark's own order hangs on hashes."""
    found = dict.fromkeys(begin)
    todo = list(begin)
    for state in todo:
        for other in following[state]:
            if other not in found:
                found[other] = None
                todo.append(other)
    return {state: n for n, state in enumerate(found)}


def _rule(r: Any) -> tuple[str, str | None, int, list[tuple[int, bool, int]], int]:
    """A rule of Lark: which children count is said by the symbols, the gaps by ``empty_indices``."""
    size = len(r.expansion)
    # One True for each absent part, one False for each symbol: how many absent parts stand before each symbol.
    gaps = [len(ones) for ones in "".join("01"[b] for b in r.options.empty_indices or ()).split("0")]
    if not r.options.empty_indices:
        gaps = [0] * (size + 1)
    take, absent = [], 0
    for n, symbol in enumerate(r.expansion):
        absent += gaps[n]
        if not (symbol.is_term and symbol.filter_out):
            take.append((n, not symbol.is_term and symbol.name.startswith("_"), absent))
            absent = 0
    tail = absent + gaps[size]
    single = r.options.expand1 and r.alias is None and len(take) == 1 and not take[0][1]
    build = None if single else r.alias or str(r.origin.name)
    return str(r.origin.name), build, size, take, tail


def _terminals(patterns: dict[str, str]) -> dict[str, list[str]]:
    """For every symbol and keyword the terminals that match it."""
    words = [p for p in patterns.values() if p.isalpha()]
    out = {}
    for text in (*SYMBOLS, *words):
        out[text] = [name for name, p in patterns.items() if re.fullmatch(p, text)]
    return {text: names for text, names in out.items() if names}


# the file


def _path() -> Path | None:
    settings = knobs()
    if settings.cache_size == 0:
        return None
    if settings.cache_dir is not None:
        return settings.cache_dir / _FILE
    import platformdirs

    return Path(platformdirs.user_cache_dir("sparsec")) / _FILE


def _digest(grammar: bytes, body: bytes) -> bytes:
    """Depends on what makes the tables: the grammar and this module."""
    parts = (grammar, Path(__file__).read_bytes(), body)
    return hashlib.blake2b(b"\0".join(parts), digest_size=_DIGEST // 2).hexdigest().encode()


def _load(path: Path, grammar: bytes) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as f:
            if not _is_ours(os.fstat(f.fileno())):
                LOG.info("not read, because others may write to it: %s", path)
                return None
            data = f.read()
    except OSError:
        return None
    head, body = data[:_DIGEST], data[_DIGEST:]
    if head != _digest(grammar, body):
        return None
    tables: dict[str, Any] = json.loads(body)
    return tables


def _save(path: Path, grammar: bytes, data: dict[str, Any]) -> None:
    """Write the file; where that fails, everything works without."""
    import tempfile

    body = json.dumps(data, separators=(",", ":")).encode()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(path.parent.stat()):
            return
        handle, temporary = tempfile.mkstemp(suffix=".tmp", dir=path.parent)
        try:
            with open(handle, "wb") as f:
                f.write(_digest(grammar, body) + body)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise
    except OSError as problem:
        LOG.info("cannot keep the grammar's tables: %s", problem)


def _is_ours(stat: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or (stat.st_uid == os.getuid() and not stat.st_mode & 0o022)
