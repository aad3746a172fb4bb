"""The C backend: buffer IR as readable C99, and, where a C compiler exists, a way to run it (``run.py``; for tests)."""

from sparsec.backends.c.emit import emit_c, entry_symbol
from sparsec.backends.c.run import run

__all__ = ["emit_c", "entry_symbol", "run"]
