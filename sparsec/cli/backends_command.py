"""``sparsec backends``."""

from __future__ import annotations

import shutil

import click

from sparsec.cli.output import Out, json_option

_WORDS = {
    "cpu": "native code through LLVM, multi-threaded",
    "c": "C source for any compiler",
    "interp": "the reference interpreter of buffer IR: slow, the oracle",
    "gpu": "CUDA and Triton",
    "sim": "a simulated accelerator",
}


@click.command()
@json_option
def backends(as_json: bool) -> None:
    """List the backends, and the processor, threads and C compiler that they find here."""
    import llvmlite.binding as llvm

    from sparsec import backends as registry
    from sparsec.knobs import thread_count

    out = Out(as_json)
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    state = dict.fromkeys(_WORDS, "planned") | dict.fromkeys(registry.names(), "ready")
    if compiler is None and "c" in state:
        state["c"] = "source only: no C compiler found"
    rows = [(name, how, _WORDS.get(name, "")) for name, how in state.items()]
    machine = {
        "processor": llvm.get_host_cpu_name(),
        "target": llvm.get_process_triple(),
        "threads": thread_count(),
        "C compiler": compiler,
    }
    out.table(["name", "state", "what it is"], rows, indent=0)
    out.text()
    out.fields([(name, str(found or "none")) for name, found in machine.items()], indent=0)
    out.report({"backends": [{"name": n, "state": s, "about": about} for n, s, about in rows], "machine": machine})
