"""``sparsec run``: a program on data, checked, timed, and beside its peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparsec.cli import words
from sparsec.cli.output import Out, json_option, progress
from sparsec.cli.sources import Request, assignments, takes_program
from sparsec.errors import TypeError_

if TYPE_CHECKING:
    from sparsec.cli.timing import Timing
    from sparsec.kernel import Kernel


@click.command()
@takes_program
@click.option("--size", "sizes", multiple=True, metavar="DIM=N", help="Extent that no operand has. Repeatable.")
@click.option("--check", is_flag=True, help="Compare with what NumPy computes on dense arrays (small cases).")
@click.option("--time", "timed", is_flag=True, help="Say where the time went: steps of compiling, calls.")
@click.option("--against", metavar="PEERS", help="Time scipy, torch or both (scipy,torch) beside it.")
@click.option("--out", "outs", multiple=True, metavar="NAME=FILE", help="Write a result: .mtx .tns .npz .bsp.h5 .npy.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of parallel loops (all cores).")
@json_option
def run(
    request: Request,
    sizes: tuple[str, ...],
    check: bool,
    timed: bool,
    against: str | None,
    outs: tuple[str, ...],
    threads: int | None,
    as_json: bool,
) -> None:
    """Run a program on operands and describe its results.

    \b
    An operand NAME=VALUE is
      A=matrix.mtx              a file (.mtx .tns .npz .bsp.h5 .npy, also .mtx.gz .mtx.bz2)
      x=rand(1000)  rand(9,4)   random, dense; randn zeros ones arange eye too
      A=rand(1000,1000,0.01)    random, sparse with this density
      x=rand(1000):f32          with a dtype
      a=3.5  x=[1,2,3]          a number, a small array

    \b
    sparsec run -e 'y[i] = A[i, j] * x[j]' A=matrix.mtx 'x=rand(1000)' --time --against scipy
    """
    import sparsec as sp
    from sparsec.cli import results
    from sparsec.cli.check import check as compare
    from sparsec.cli.check import ensure_small
    from sparsec.cli.programs import bind_program
    from sparsec.cli.timing import once

    extents = _sizes(sizes)
    files = {name: Path(path) for name, path in assignments(outs, "--out").items()}
    peers = _peers(against)
    out = Out(as_json)
    if threads is not None:
        sp.set_num_threads(threads)
    program, operands = bind_program(request)
    names = [t.name for t in program.program.results]
    if unknown := [name for name in files if name not in names]:
        raise TypeError_(f"--out names '{unknown[0]}', which is no result", hint=f"results are {', '.join(names)}")
    dims = ensure_small(program, operands, extents) if check else {}
    call = _caller(program, operands, extents)
    with progress("compiling and running"):
        first, seconds = once(call)
    made = dict(zip(names, first if len(names) > 1 else (first,), strict=True))

    report: dict[str, Any] = {"kernel": program.name, "results": [results.describe(n, v) for n, v in made.items()]}
    for facts in report["results"]:
        results.show(out, facts)
    for name, path in files.items():
        with progress(f"writing {path.name}"):
            results.write(name, made[name], path)
        out.note(f"{name} written to {path}")
    failed = False
    if check:
        with progress("checking"):
            verdicts = compare(program.program, operands, dims, made)
        report["check"] = [
            {"name": v.name, "agrees": not v.wrong, "elements": v.total, "wrong": v.wrong, "greatest": v.greatest}
            for v in verdicts
        ]
        failed = any(v.wrong for v in verdicts)
        for v in verdicts:
            out.verdict(not v.wrong, f"check: {v.text}")
    if timed or peers:
        failed |= _time(out, report, program, operands, call, made, peers, seconds if timed else None)
    out.report(report)
    if failed:
        click.get_current_context().exit(1)


def _sizes(texts: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for name, value in assignments(texts, "--size").items():
        if not value.isdecimal():
            raise click.BadParameter(f"'{name}={value}': an extent is a whole number", param_hint="--size")
        found[name] = int(value)
    return found


def _peers(text: str | None) -> list[str]:
    from sparsec.cli.peers import PEERS

    names = [n.strip() for n in text.split(",")] if text else []
    if unknown := [n for n in names if n not in PEERS]:
        raise click.BadParameter(f"no peer '{unknown[0]}'; there are {', '.join(PEERS)}", param_hint="--against")
    return names


def _caller(kernel: Kernel, operands: Mapping[str, Any], sizes: Mapping[str, int]) -> Callable[[], Any]:
    """One call of the kernel, its operands converted beforehand so that repeated calls don't."""
    prepared = kernel.prepare(**operands)
    return lambda: kernel(**prepared, **({"sizes": sizes} if sizes else {}))


def _time(
    out: Out,
    report: dict[str, Any],
    kernel: Kernel,
    operands: Mapping[str, Any],
    call: Callable[[], Any],
    made: Mapping[str, Any],
    peers: list[str],
    first: float | None,
) -> bool:
    """Print and record the steps of compiling, our calls and the peers'; whether a peer's result differs."""
    from sparsec.cli.timing import race

    contestants: dict[str, Callable[[], Any]] = {"sparsec": call}
    without: dict[str, str] = {}
    for name in peers:
        with progress(f"checking against {name}"):
            problem = _enter(name, kernel, operands, made, contestants)
        if problem:
            without[name] = problem
    with progress("timing"):
        timings = race(contestants)
    if first is not None:
        steps = kernel.times
        report["compile_ms"] = steps
        report["first_call_s"] = first
        out.text()
        out.heading("compiled", "in " + words.duration(sum(steps.values()) / 1e3))
        out.fields([(step, words.duration(ms / 1e3)) for step, ms in steps.items()])
        out.fields([("first call", words.duration(first) + "   (compiling included)")])
    report["calls"] = {n: {"minimum_s": t.minimum, "median_s": t.median, "calls": t.calls} for n, t in timings.items()}
    out.text()
    out.table(["calls", ">minimum", ">median", ">calls", ">to sparsec"], [_row(n, timings) for n in timings])
    if without:
        report["against"] = without
    for name, problem in without.items():
        out.verdict(not problem.startswith("DIFFERS"), f"{name}: {problem}")
    return any(problem.startswith("DIFFERS") for problem in without.values())


def _row(name: str, timings: Mapping[str, Timing]) -> tuple[str, ...]:
    t = timings[name]
    ratio = "" if name == "sparsec" else f"{words.significant(t.minimum / timings['sparsec'].minimum)} x"
    return (name, words.duration(t.minimum), words.duration(t.median), words.count(t.calls), ratio)


def _enter(
    name: str,
    kernel: Kernel,
    operands: Mapping[str, Any],
    made: Mapping[str, Any],
    contestants: dict[str, Callable[[], Any]],
) -> str | None:
    """Make the peer a contestant; why it is none, otherwise."""
    from sparsec.cli.peers import NoPeer, NotInstalled, differs, equivalent
    from sparsec.errors import SparsecError

    try:
        peer = equivalent(name, kernel.program, operands)
        answer = peer.answer(peer.call())
        gap = differs(next(iter(made.values())), answer)
    except NotInstalled as how:
        return f"not installed: {how}"
    except NoPeer as reason:
        return f"no equivalent: it has no way to do {reason}"
    except SparsecError:
        raise
    except Exception as problem:  # a library that lacks an operation raises whatever it likes
        lines = str(problem).strip().splitlines()
        return f"no equivalent: {type(problem).__name__}: {lines[0][:120] if lines else ''}"
    if gap is not None:
        return f"DIFFERS {gap}"
    contestants[name] = peer.call
    return None
