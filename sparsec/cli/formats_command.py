"""``sparsec formats``."""

from __future__ import annotations

import click

from sparsec.cli.output import Out, json_option

_WORDS = {
    "dense": "every entry, row-major",
    "sparse": "every level compressed, any order",
    "csf": "the same as sparse",
    "coo": "a sorted list of coordinates",
    "csr": "rows dense, columns compressed; leading dimensions are dense batches",
    "csc": "columns dense, rows compressed",
    "dcsr": "rows compressed too: for matrices most of whose rows are empty",
    "dcsc": "columns compressed too",
    "bitmap": "rows dense, a byte for each column that says whether there is an entry",
    "hash": "rows dense, a hash table of the columns of each",
    "rle": "rows dense, runs of equal values in each",
    "ell": "rows dense, room for w columns in each",
    "dia": "the diagonals that hold something, whole",
    "bsr": "blocks of b by c, each stored whole: block rows dense, block columns compressed",
    "bsc": "the same by block columns",
    "csb": "blocks of b by c, each a list of its entries",
    "band": "l diagonals below the main one, u above it, and it",
    "sym": "the lower half by rows, which stands for the whole",
    "nm": "at most n entries in each m columns of a row",
    "sell": "slices of c rows as wide as their longest, rows sorted by length in windows of s",
    "lowrank": "a product of two dense factors with r columns and rows between them",
    "blockdiag": "square blocks of b on the diagonal",
    "perm": "one entry a row",
    "ragged": "rows of their own lengths, each without gaps",
}


@click.command()
@click.option("--order", default=2, show_default=True, type=click.IntRange(0, 8), help="Order of the tensor.")
@json_option
def formats(order: int, as_json: bool) -> None:
    """List the storage formats by name, each with the map that it stands for.

    A map may stand wherever a name may: --format "A=(i, j) -> (j: dense, i: compressed)".
    """
    from sparsec.formats.level import REGISTRY
    from sparsec.formats.named import FORMATS, PARAMETRIC, named_format

    out = Out(as_json)
    found = {name: named_format(name, order) for name, (least, _) in FORMATS.items() if order >= least}
    rows = [(name, str(f), _WORDS.get(name, "")) for name, f in found.items()]
    for name, (least, params, _) in PARAMETRIC.items():
        if order >= least:
            example = named_format(name, order, (8,) * len(params))
            shown = f"{name}[{', '.join(params)}]" if params else name
            rows.append((shown, f"{example} for 8" if params else str(example), _WORDS.get(name, "")))
    out.heading("formats", f"of tensors of order {order}")
    out.table(["name", "map", "what it is"], rows)
    out.text()
    out.fields([("levels", ", ".join(REGISTRY))])
    out.report(
        {
            "order": order,
            "formats": [{"name": n, "map": m, "about": about} for n, m, about in rows],
            "levels": list(REGISTRY),
        }
    )
