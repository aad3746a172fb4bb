"""Markdown of what was measured."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from benchmarks.harness import OURS, Outcome
from benchmarks.startup import Cost

LEGEND = """\
Milliseconds. Each figure is *minimum / median* of calls in bursts of {burst:.0f} ms; contestants take turns in one
process, after a probe that all cores are there. "Ratio" is the best peer over ours, by minimum, by median, and for a
call after {pause:.0f} ms of idling (median of {idle}): above 1 we are faster, within 10 % is a tie. Results are
checked against the first peer before anything is timed. Working sets are warm: they lie in the caches where they fit.
"""


def number(ms: float) -> str:
    """Three significant digits."""
    if math.isnan(ms):
        return "-"
    return f"{ms:.{max(0, 2 - math.floor(math.log10(ms)))}f}" if 0 < ms < 1000 else f"{ms:.0f}"


def ratio(value: float | None) -> str:
    """A ratio, bold where we win or lose by more than a tie."""
    if value is None:
        return "-"
    return f"**{value:.2f}**" if abs(math.log(value)) > math.log(1.1) else f"{value:.2f}"


COSTS = "Import, compile, call"


def tables(outcomes: Sequence[Outcome], costs: Sequence[Cost], where: str) -> dict[str, str]:
    """One table a kernel, and one of what it costs to begin, by their titles; ``where`` says when and on what."""
    names = dict.fromkeys(o.case.kernel for o in outcomes)
    parts = {name: _kernel([o for o in outcomes if o.case.kernel == name]) for name in names}
    if costs:
        parts[COSTS] = costs_table(costs)
    return {title: f"### {title}\n\n{where}\n\n{table}\n" for title, table in parts.items()}


def _kernel(rows: Sequence[Outcome]) -> str:
    peers = list(dict.fromkeys(n for o in rows for n, _ in o.case.makers if n != OURS))
    head = ["data", "dtype", OURS, *peers, "ratio min", "ratio median", "ratio idle"]
    parts = [_row(head), _row(["---"] * 2 + ["---:"] * (len(head) - 2))]
    for o in rows:
        cells = [_timing(o, n) for n in (OURS, *peers)]
        ratios = [ratio(o.ratio(f)) for f in ("minimum", "median", "after_idle")]
        parts.append(_row([o.case.data + (" *" if o.unsettled else ""), o.case.dtype, *cells, *ratios]))
    known = [r for o in rows if (r := o.ratio("minimum")) is not None]
    if known:
        mean = math.exp(sum(map(math.log, known)) / len(known))
        parts += ["", f"Geometric mean of the ratios (minimum): {mean:.2f}; least {min(known):.2f}."]
    first = [(r, o) for o in rows if (r := o.over_reference()) is not None]
    if first:
        mean = math.exp(sum(math.log(r) for r, _ in first) / len(first))
        least, where = min(first, key=lambda pair: pair[0])
        parts.append(
            f"Over {where.case.makers[0][0]} alone: geometric mean {mean:.2f}; "
            f"least {least:.2f} ({where.case.data})."
        )
    reasons = {f"{n}: {why}" for o in rows for n, why in o.struck.items()}
    parts += ["", *(f"- not measured: {r}" for r in sorted(reasons)), ""] if reasons else [""]
    return "\n".join(parts)


def costs_table(rows: Sequence[Cost]) -> str:
    """The table of importing, compiling and calling."""
    head = ["what", "minimum", "median", "whole process", "goal"]
    parts = [_row(head), _row(["---", "---:", "---:", "---:", "---:"])]
    for c in rows:
        process = number(c.process) if c.process is not None else ""
        parts.append(_row([c.what, _span(c.minimum), _span(c.median), process, c.goal]))
    parts += ["", *(f"- not measured: {c.what}: {c.note}" for c in rows if c.note), ""]
    return "\n".join(parts)


def document(facts: dict[str, str], tables: dict[str, str], unsettled: int, legend: str) -> str:
    """The whole report."""
    parts = ["# Measurements", "", "Made by `python -m benchmarks`; do not edit.", "", legend]
    parts += [f"- {k}: {v}" for k, v in facts.items()]
    if unsettled:
        parts.append(f"- {unsettled} bursts began although the probe found a core missing (their rows carry a *)")
    return "\n".join([*parts, "", ""]) + "".join(tables.values())


def updated(text: str, tables: dict[str, str]) -> str:
    """A report with some tables in the place of those of the same titles, or behind all others.

    >>> updated("head\\n### a\\n1\\n### b\\n2\\n", {"b": "### b\\n3\\n", "c": "### c\\n4\\n"})
    'head\\n### a\\n1\\n### b\\n3\\n### c\\n4\\n'
    """
    head, *old = re.split(r"^(?=### )", text, flags=re.MULTILINE)
    kept = {part.splitlines()[0].removeprefix("### "): part for part in old}
    return head + "".join((kept | tables).values())


def line(o: Outcome) -> str:
    """One case as a line for the terminal."""
    times = "  ".join(f"{n} {_timing(o, n)}" for n in o.timings)
    struck = "  ".join(f"[{n}: {why}]" for n, why in o.struck.items())
    value = o.ratio("minimum")
    shown = f"{value:6.2f}x" if value is not None else "      -"
    return f"{o.case.kernel:10} {o.case.dtype} {o.case.data:40.40} {shown}  {times}  {struck}".rstrip()


def _timing(o: Outcome, name: str) -> str:
    t = o.timings.get(name)
    return f"{number(t.minimum)} / {number(t.median)}" if t is not None else "-"


def _span(ms: float) -> str:
    return "-" if math.isnan(ms) else f"{ms * 1e3:.2f} us" if ms < 0.1 else f"{number(ms)} ms"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
