"""``sparsec cache`` and ``sparsec cache clear``."""

from __future__ import annotations

import click

from sparsec.cli import words
from sparsec.cli.output import Out, json_option


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def cache(ctx: click.Context, as_json: bool) -> None:
    """Show where compiled code is kept: folder, entries, bytes. SPARSEC_CACHE_DIR and SPARSEC_CACHE_SIZE set it."""
    if ctx.invoked_subcommand is not None:
        return
    from sparsec.runtime.cache import cache_info

    out, info = Out(as_json), cache_info()
    out.fields(
        [
            ("folder", str(info.folder)),
            ("entries", words.count(info.entries)),
            ("bytes", f"{words.size(info.bytes)} of at most {words.size(info.limit)}"),
            *([("off", info.problem)] if info.problem else []),
        ],
        indent=0,
    )
    out.report(
        {
            "folder": str(info.folder),
            "entries": info.entries,
            "bytes": info.bytes,
            "limit": info.limit,
            "problem": info.problem,
        }
    )


@cache.command()
@json_option
@click.pass_context
def clear(ctx: click.Context, as_json: bool) -> None:
    """Remove every entry."""
    from sparsec.runtime.cache import clear_cache

    as_json |= bool(ctx.parent and ctx.parent.params["as_json"])
    out, removed = Out(as_json), clear_cache()
    out.text(f"removed {words.count(removed)} {'entry' if removed == 1 else 'entries'}")
    out.report({"removed": removed})
