"""Machine code in tests is compiled at LLVM's level 0, fifteen times sooner, unless a test asks for another."""

from __future__ import annotations

import os

os.environ.setdefault("SPARSEC_OPT", "0")
