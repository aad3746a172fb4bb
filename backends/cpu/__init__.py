"""The CPU backend: buffer IR through LLVM to machine code of this host, on a team of threads."""

from sparsec.backends.cpu.emit import emit_module
from sparsec.backends.cpu.jit import Artifact, adopt, compile_module, host, load, release, source
from sparsec.backends.cpu.run import run

__all__ = ["Artifact", "adopt", "compile_module", "emit_module", "host", "load", "release", "run", "source"]
