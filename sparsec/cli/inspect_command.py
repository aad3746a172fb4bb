"""``sparsec inspect``: what a file holds, without running anything on it."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sparsec.cli import words
from sparsec.cli.output import Out, json_option, progress

_BAR = 32
"""Characters of the longest bar of the histogram."""


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--spy", "picture", type=click.Path(path_type=Path), metavar="OUT.png", help="Draw the pattern too.")
@json_option
def inspect(file: Path, picture: Path | None, as_json: bool) -> None:
    """Describe a matrix or tensor FILE.

    Shape, entries, lengths of its rows and columns, bandwidth, symmetry, values, and the bytes it takes in each format.
    """
    import sparsec as sp
    from sparsec.cli import statistics

    out = Out(as_json)
    with progress(f"reading {file.name}"):
        tensor = sp.read(file)
        coords, values = tensor.coo()
    shape = tuple(tensor.shape)
    report: dict[str, Any] = {
        "file": str(file),
        "shape": list(shape),
        "dtype": str(tensor.dtype),
        "nnz": int(values.shape[0]),
        "density": len(values) / math.prod(shape) if math.prod(shape) else None,
        "fill_value": tensor.fill_value,
    }
    names = ("rows", "columns") if len(shape) == 2 else tuple(f"mode {d}" for d in range(len(shape)))
    slices = {name: statistics.lengths(c, n) for name, c, n in zip(names, coords, shape, strict=True)}
    report["lengths"] = {name: asdict(found) for name, found in slices.items()}
    pattern = statistics.pattern(coords, values, shape) if len(shape) == 2 else None
    report["pattern"] = asdict(pattern) if pattern else None
    numbers = statistics.of_values(values)
    report["values"] = asdict(numbers)
    report["bytes"] = statistics.bytes_by_format(coords, shape, values.dtype.itemsize)
    if picture is not None:
        from sparsec import spy

        with progress("drawing"):
            spy.save(picture, coords, shape, title=file.name)
        report["picture"] = str(picture)

    out.heading(file.name, f"{words.shape(shape)}, {tensor.dtype}")
    out.fields([*_entries(report), *(_pattern(pattern) if pattern else []), *_values(numbers)])
    out.text()
    _lengths(out, slices)
    out.heading("bytes", "by format")
    nnz = max(1, len(values))
    least = min(report["bytes"].values())
    out.table(
        ["format", ">bytes", ">an entry", ""],
        [
            (name, words.size(n), words.significant(n / nnz), "least" if n == least else "")
            for name, n in sorted(report["bytes"].items(), key=lambda item: item[1])
        ],
    )
    if picture is not None:
        out.note(f"\npicture: {picture}")
    out.report(report)


def _entries(report: dict[str, Any]) -> list[tuple[str, str]]:
    points = math.prod(report["shape"])
    pairs = [("entries", f"{words.count(report['nnz'])}   ({words.share(report['nnz'], points)} of {points:,} places)")]
    if report["fill_value"]:
        pairs.append(("fill", words.value(report["fill_value"])))
    return pairs


def _pattern(p: Any) -> list[tuple[str, str]]:
    pairs = [
        ("diagonal", f"{words.count(p.diagonal)} of {words.count(p.diagonal_length)} stored"),
        ("bandwidth", f"{p.lower:,} below, {p.upper:,} above; {p.diagonals:,} diagonals in use"),
    ]
    if p.symmetric is not None:
        some = f"{words.share(p.symmetric, 1)} of the entries off the diagonal have their mirror"
        whole = f"the pattern is symmetric, values {p.equal_values or 'not'}"
        pairs.append(("symmetry", whole if p.symmetric == 1 else some))
    return pairs


def _values(v: Any) -> list[tuple[str, str]]:
    if v.least is None:
        text = f"norm {words.value(v.norm)}"
    else:
        text = f"{words.value(v.least)} to {words.value(v.greatest)}, mean {words.value(v.mean)}, "
        text += f"norm {words.value(v.norm)}"
    for number, what in ((v.zeros, "stored zeros"), (v.not_finite, "not finite")):
        if number:
            text += f"; {words.count(number)} {what}"
    return [("values", text)]


def _lengths(out: Out, slices: dict[str, Any]) -> None:
    out.table(
        ["entries in", ">number", ">empty", ">least", ">median", ">mean", ">most", ">deviation"],
        [
            (
                name,
                words.count(s.count),
                words.count(s.empty),
                words.count(s.least),
                f"{s.median:,.1f}".removesuffix(".0"),
                words.significant(s.mean),
                words.count(s.most),
                words.significant(s.deviation),
            )
            for name, s in slices.items()
        ],
    )
    out.text()
    first = next(iter(slices.items()), None)
    if first is None or not first[1].histogram:
        return
    name, lengths = first
    out.heading(f"histogram of {name}", "by the number of their entries")
    most = max(number for _, _, number in lengths.histogram)
    out.table(
        [">entries", f">{name}", ""],
        [
            (
                words.count(low) if low == high else f"{words.count(low)}-{words.count(high)}",
                words.count(number),
                bar(number, most, blocks=out.fancy is not None),
            )
            for low, high, number in lengths.histogram
        ],
    )
    out.text()


def bar(number: int, most: int, blocks: bool) -> str:
    """A bar as long as ``number`` is of ``most``; something shows for anything over 0.  ``blocks`` needs Unicode."""
    if not blocks:
        return "#" * max(int(number > 0), round(number / most * _BAR))
    whole, part = divmod(max(int(number > 0), round(number / most * _BAR * 8)), 8)
    return "█" * whole + ("▏▎▍▌▋▊▉"[part - 1] if part else "")
