"""The CPU backend: buffer IR through LLVM to machine code of this host, on a team of threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparsec.backends.cpu.jit import Artifact, adopt, compile_module, host, keep_in, load, release, source

if TYPE_CHECKING:
    import numpy as np

    from sparsec.ir.buffer import Module


def run(module: Module, args: Mapping[str, Any], artifact: Artifact | None = None) -> dict[str, np.ndarray]:
    """Compile ``module`` (or take its ``artifact``) and run its entry on arrays by name; see ``by_name.run``."""
    from sparsec.backends.cpu import by_name

    return by_name.run(module, args, artifact)


__all__ = ["Artifact", "adopt", "compile_module", "host", "keep_in", "load", "release", "run", "source"]
