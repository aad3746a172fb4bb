"""What a result looks like: shape, entries, sum, norm and the first few of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from sparsec.cli import words
from sparsec.cli.output import Out
from sparsec.errors import FileError

FIRST = 5


def describe(name: str, value: Any) -> dict[str, Any]:
    """The facts of a result, for JSON; ``first`` holds pairs of a coordinate and a value."""
    if hasattr(value, "coo"):
        coords, values = value.coo()
        shape = tuple(value.shape)
        first = [([int(c) for c in coords[:, n]], values[n].item()) for n in range(min(FIRST, len(values)))]
        facts = {"format": value.format, "nnz": len(values), "fill_value": value.fill_value}
    else:
        values = np.asarray(value)
        shape = values.shape
        places = [np.unravel_index(n, shape) for n in range(min(FIRST, values.size))]
        first = [([int(c) for c in place], values[place].item()) for place in places]
        facts = {"format": "dense"}
    numbers: Any = values if values.dtype.kind != "b" else values.astype(np.int64)
    with np.errstate(all="ignore"):
        total = numbers.sum().item()
        norm = float(np.linalg.norm(numbers.astype(np.result_type(numbers, np.float64)).reshape(-1)))
    return {
        "name": name,
        "dtype": str(values.dtype),
        "shape": list(shape),
        **facts,
        "sum": total,
        "norm": norm,
        "first": first,
    }


def show(out: Out, facts: dict[str, Any]) -> None:
    """Print what ``describe`` found."""
    shape = facts["shape"]
    first = facts["first"]
    if not shape:
        out.heading(f"{facts['name']} = {words.value(first[0][1])}", facts["dtype"])
        return
    out.heading(facts["name"], f"{words.shape(shape)}, {facts['dtype']}, {facts['format']}")
    pairs = []
    if "nnz" in facts:
        pairs.append(("entries", f"{words.count(facts['nnz'])}   ({words.share(facts['nnz'], math.prod(shape))})"))
        if facts["fill_value"]:
            pairs.append(("fill", words.value(facts["fill_value"])))
        text = "  ".join(f"({', '.join(map(str, place))}) {words.value(v)}" for place, v in first)
    else:
        text = "  ".join(words.value(v) for _, v in first)
    more = facts.get("nnz", math.prod(shape)) > len(first)
    pairs += [("sum", words.value(facts["sum"])), ("norm", words.value(facts["norm"]))]
    out.fields([*pairs, ("first", text + ("  ..." if more else "") if first else "(no entries)")])


def write(name: str, value: Any, path: Path) -> None:
    """Write a result: ``.npy`` by NumPy, anything else by ``sparsec.write``."""
    import sparsec as sp

    if path.suffix != ".npy":
        sp.write(path, value if hasattr(value, "coo") else sp.tensor(value))
        return
    if hasattr(value, "coo"):
        hint = f"--out {name}=file.npz or .mtx"
        raise FileError(f"result '{name}' is sparse and .npy files hold dense arrays", hint=hint)
    try:
        np.save(path, np.asarray(value))
    except OSError as problem:
        raise FileError(f"cannot write {path}: {problem.strerror or problem}") from None


__all__ = ["describe", "show", "write"]
