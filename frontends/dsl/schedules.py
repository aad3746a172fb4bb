"""Schedules: checked for names (kernel, statements, index variables, tensors, commands), then read."""

from __future__ import annotations

from collections.abc import Iterable

from sparsec.errors import ScheduleError, nearest
from sparsec.frontends.dsl import ast
from sparsec.ir import schedule
from sparsec.ir.rewrite import walk
from sparsec.ir.schedule import NONE, Directive
from sparsec.ir.tensor import Access, Assign, Program, ScanLoop, assigns

LOOPS = ("order", "split", "tile", "panel", "unroll", "vector", "parallel", "merge")
COMMANDS = (*schedule.COMMANDS, *schedule.SHORT, *schedule.LATER)


def check_schedule(commands: Iterable[ast.Command], program: Program) -> tuple[ast.Command, ...]:
    """The commands, if every name in them is one of the program's.

    Raises ``ScheduleError`` with the nearest name for one that is not.
    """
    found = tuple(commands)
    for c in found:
        if c.name.id not in COMMANDS:
            raise ScheduleError(
                f"there is no command '{c.name.id}'",
                span=c.name.span,
                hint=nearest(c.name.id, COMMANDS) or f"commands are {', '.join(COMMANDS)}",
            )
        statements = [*assigns(program.body)]
        if c.statement is not None:
            names = list(dict.fromkeys(a.target.tensor for a in statements))
            if c.statement.id not in names:
                raise ScheduleError(
                    f"no statement of '{program.name}' writes '{c.statement.id}'",
                    span=c.statement.span,
                    hint=nearest(c.statement.id, names) or f"its statements write {', '.join(names)}",
                )
            statements = [a for a in statements if a.target.tensor == c.statement.id]
        check_command(c, statements, program)
    return found


def directives(commands: Iterable[ast.Command], program: Program) -> tuple[Directive, ...]:
    """What checked commands ask of a program.

    Raises ``ScheduleError`` where a command has another form or does not say which of several statements it is for,
    ``UnsupportedError`` for commands that cannot run yet.
    """
    targets = list(dict.fromkeys(a.target.tensor for a in assigns(program.body)))
    out: list[Directive] = []
    for c in commands:
        if c.statement is None and len(targets) > 1:
            raise ScheduleError(
                f"'{program.name}' has several statements, and '{c}' does not say which it is for",
                span=c.name.span,
                hint=f"name the result: {targets[0]}: {c}",
            )
        words = [w.id for w in c.words]
        out += schedule.directives(c.name.id, words, None if c.statement is None else c.statement.id, c.name.span)
    return tuple(out)


def check_command(c: ast.Command, statements: list[Assign], program: Program) -> None:
    """The list of names that a command begins with: index variables, ``i/b``, ``A.j``; tensors for some commands."""
    if not c.words:
        example = {"order": "order i, k, j", "parallel": "parallel i by 64"}.get(c.name.id, f"{c.name.id} i 8")
        raise ScheduleError(f"'{c.name.id}' of what?", span=c.name.span, hint=f"write {example}")
    scans = [s.index.name for s in program.body if isinstance(s, ScanLoop)]
    indices = list(dict.fromkeys([*scans, *(i.name for a in statements for i in a.indices)]))
    tensors = [t.name for t in program.tensors]
    words, at, seen = c.words, 0, set[str]()
    if [w.id for w in words] == [NONE] and NONE not in indices:
        return
    while at < len(words):
        word = words[at]
        follows = words[at + 1].id if at + 1 < len(words) else ""
        if follows == "." and at + 2 < len(words):
            check_position(word, words[at + 2], tensors, statements)
            at += 3
        else:
            known = indices if c.name.id in LOOPS else [*indices, *tensors]
            if word.id not in known:
                what = "an index variable" if c.name.id in LOOPS else "an index variable or tensor"
                raise ScheduleError(
                    f"'{word.id}' is not {what} of '{program.name}'",
                    span=word.span,
                    hint=nearest(word.id, known) or f"it has {', '.join(known)}",
                )
            start = at
            at += 1
            while at + 1 < len(words) and words[at].id in ("/", "%", "+", "-"):
                at += 2
            loop = "".join(w.id for w in words[start:at])
            if c.name.id == "order" and loop in seen:
                raise ScheduleError(f"'order' names '{loop}' twice", span=word.span, hint="each loop once")
            seen.add(loop)
        if c.name.id == "tile" and at < len(words) and words[at].id.isdigit():
            at += 1
        if at < len(words) and words[at].id == ",":
            at += 1
            continue
        if c.name.id == "order" and at < len(words):
            raise ScheduleError(
                f"unexpected '{words[at].id}' in an order", span=words[at].span, hint="write order i, k, j"
            )
        break


def check_position(tensor: ast.Name, index: ast.Name, tensors: list[str], statements: list[Assign]) -> None:
    """``A.j``: the loop over the stored positions of A along j."""
    if tensor.id not in tensors:
        raise ScheduleError(
            f"'{tensor.id}' is no tensor of the kernel",
            span=tensor.span,
            hint=nearest(tensor.id, tensors) or f"its tensors are {', '.join(tensors)}",
        )
    used = dict.fromkeys(
        i.name
        for a in statements
        for n in walk(a)
        if isinstance(n, Access) and n.tensor == tensor.id
        for i in walk(n)
        if hasattr(i, "name") and not isinstance(i, Access)
    )
    if index.id not in used:
        raise ScheduleError(
            f"'{tensor.id}' is not indexed with '{index.id}'",
            span=index.span,
            hint=nearest(index.id, used) or f"its indices are {', '.join(used)}",
        )
