"""``sparsec convert``: from one file type or storage format to another."""

from __future__ import annotations

from pathlib import Path

import click

from sparsec.cli import words
from sparsec.cli.output import Out, json_option, progress


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--to", "format_", metavar="FORMAT", help="Storage format, for file types that keep it.")
@json_option
def convert(source: Path, target: Path, format_: str | None, as_json: bool) -> None:
    """Read SOURCE and write TARGET; their suffixes say their types (.mtx .tns .npz .bsp.h5, also .mtx.gz .mtx.bz2).

    \b
    sparsec convert a.mtx a.npz --to csc
    """
    import sparsec as sp

    out = Out(as_json)
    with progress(f"reading {source.name}"):
        read = sp.read(source)
    with progress("converting"):
        made = read if format_ is None else read.convert(format_)
    with progress(f"writing {target.name}"):
        sp.write(target, made)
    size = target.stat().st_size
    out.heading(f"{source.name} -> {target.name}")
    out.fields(
        [
            ("shape", f"{words.shape(made.shape)}, {made.dtype}"),
            ("entries", words.count(made.nnz)),
            ("format", f"{read.format} -> {made.format}"),
            ("memory", f"{words.size(read.nbytes)} -> {words.size(made.nbytes)}"),
            ("file", f"{words.size(source.stat().st_size)} -> {words.size(size)}"),
        ]
    )
    out.report(
        {
            "source": str(source),
            "target": str(target),
            "shape": list(made.shape),
            "dtype": str(made.dtype),
            "nnz": made.nnz,
            "format": made.format,
            "nbytes": made.nbytes,
            "file_bytes": size,
        }
    )
