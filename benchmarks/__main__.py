"""``python -m benchmarks [kernel ...] [--quick] [--data NAME ...]``: measure, print, write RESULTS.md.

Whole runs write it anew; ``--update`` puts the tables of a part in their places, each with its day and machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks import cases, machine, report, startup
from benchmarks.harness import QUICK, Outcome, Plan, run_case

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
STARTUP = "startup"
QUICK_DATA = ("debian12_depends", "bcsstk16", "debian12_relations")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0, or 1 where a result was wrong, or 2 for names that mean nothing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("kernels", nargs="*", help=f"of {', '.join([*cases.KERNELS, STARTUP])}; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="a small subset, in under a minute; prints, writes nothing"
    )
    parser.add_argument("--data", nargs="+", metavar="NAME", help="only these matrices and tensors")
    parser.add_argument("--update", action="store_true", help=f"put the tables in their places in {RESULTS.name}")
    parser.add_argument("--out", type=Path, help=f"where to write the table (default {RESULTS.name} for whole runs)")
    options = parser.parse_args(arguments)
    unknown = set(options.kernels) - {*cases.KERNELS, STARTUP}
    if unknown:
        print(f"no kernel is called {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    chosen = options.kernels or [*cases.KERNELS, STARTUP]
    names = options.data or (QUICK_DATA if options.quick else None)
    plan = QUICK if options.quick else Plan()
    probe = machine.Probe()
    facts = machine.describe()
    bandwidth = f"{machine.bandwidth():.1f} GB/s"
    facts["memory bandwidth"] = f"{bandwidth} (a = b + c, all cores, before the run)"
    for key, value in facts.items():
        print(f"{key}: {value}")
    outcomes = _measure([k for k in chosen if k != STARTUP], names, plan, probe, options.quick)
    facts["memory bandwidth, after"] = f"{machine.bandwidth():.1f} GB/s"
    rows = startup.measure(options.quick) if STARTUP in chosen else []
    if rows:
        print(report.costs_table(rows))
    measured = f"{date.today()}, {facts['processor']}, {facts['instruction set']}, {facts['cores']} cores"
    tables = report.tables(outcomes, rows, f"Measured {measured}, {bandwidth}.")
    legend = report.LEGEND.format(burst=plan.burst * 1e3, pause=plan.pause * 1e3, idle=plan.idle_calls)
    whole = not options.kernels and not options.data and not options.quick
    out = options.out or (RESULTS if whole else None)
    if out is not None:
        out.write_text(report.document(facts, tables, sum(o.unsettled for o in outcomes), legend))
        print(f"wrote {out}")
    elif options.update:
        RESULTS.write_text(report.updated(RESULTS.read_text(), tables))
        print(f"updated {RESULTS}")
    return int(any("WRONG RESULT" in why for o in outcomes for why in o.struck.values()))


def _measure(
    kernels: Sequence[str], names: Sequence[str] | None, plan: Plan, probe: machine.Probe, quick: bool
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for kernel in kernels:
        variants = cases.KERNELS[kernel][:1] if quick else cases.KERNELS[kernel]
        for make, dtype, keywords in variants:
            for name in cases.names(kernel, make):
                if names is not None and name not in names:
                    continue
                case = make(name, dtype, **keywords)
                if case is None:
                    print(f"{kernel:10} {dtype} {name}: left out, the product is out of proportion")
                    continue
                outcomes.append(run_case(case, plan, probe))
                print(report.line(outcomes[-1]), flush=True)
    if kernels and not outcomes:
        print("no data: set SPARSEC_DATA to a folder of .mtx.gz and .tns.gz files", file=sys.stderr)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
