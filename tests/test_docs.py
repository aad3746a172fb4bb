"""The documents are true: samples parse, run and refuse as they claim, sessions happen as shown, links lead somewhere.

Fences are told apart by their first line::

    ```sparsec                 a source that parses and type-checks
    ```sparsec statements      bare statements that parse
    ```sparsec run             kernels that also run, on random operands, and agree with the reference interpreter
    ```sparsec later WORD      a source that cannot run yet: compiling or calling it raises UnsupportedError naming WORD
    ```python                  runs, after the blocks before it
    ```pycon                   a session whose output is compared
"""

from __future__ import annotations

import doctest
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import sparsec as sp
from sparsec.cli.check import check, ensure_small
from sparsec.errors import SparsecError
from sparsec.formats.level import REGISTRY
from sparsec.formats.named import FORMATS
from sparsec.frontends.dsl import parse_source
from sparsec.frontends.dsl.names import FUNCTIONS, REDUCTIONS
from sparsec.frontends.dsl.parser import parse
from sparsec.ir.dtypes import BY_NAME
from sparsec.ir.tensor import TensorDecl
from sparsec.kernel import Kernel
from sparsec.knobs import _READERS, KnobError
from tests.support.windows import holds, mirror

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")])
BY_PATH = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: the words behind its ticks, its text, the line it begins on."""

    page: Path
    words: tuple[str, ...]
    text: str
    line: int

    @property
    def label(self) -> str:
        return f"{self.page.name}:{self.line}"


def fences(page: Path) -> Iterator[Fence]:
    """The fenced blocks of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start: int | None = None
    for n, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = n
            continue
        yield Fence(page, tuple(lines[start][3:].split()), "\n".join(lines[start + 1 : n]) + "\n", start + 2)
        start = None
    assert start is None, f"{page.name}: the fence of line {start} is never closed"


ALL = [f for page in PAGES for f in fences(page)]
SAMPLES = [f for f in ALL if f.words[:1] == ("sparsec",)]
KINDS = {"sparsec", "python", "pycon", "text", "sh", "toml", "llvm"}


def kernels(source: str) -> list[Kernel]:
    made = sp.compile(source)
    return list(made.values()) if isinstance(made, dict) else [made]


def extents_of(kernel: Kernel) -> dict[str, int]:
    names = sorted({d for t in kernel.program.tensors for d in t.dims if isinstance(d, str)})
    return {name: 4 + n for n, name in enumerate(names)}


def operands(kernel: Kernel, seed: int) -> dict[str, Any]:
    """Random operands of the shapes that the signature says, sparse ones with few entries."""
    rng = np.random.default_rng(seed)
    extents = extents_of(kernel)
    return {t.name: operand(t, tuple(d if isinstance(d, int) else extents[d] for d in t.dims), rng)
            for t in kernel.program.operands}  # fmt: skip


def operand(t: TensorDecl, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    values = rng.integers(0, 2 if t.dtype.name == "bool" else 5, shape).astype(t.dtype.np)
    if t.format is not None and t.format.is_dense:
        return values if shape else values[()]
    if t.format is not None and t.format.terms:
        return composite(t, shape, rng)
    held = True if t.format is None else holds(t.format, shape)
    pattern = np.asarray((rng.random(shape) < 0.4) & held)
    if t.format is not None and t.format.symmetric:
        values, pattern = mirror(values), mirror(pattern)
    coords = np.argwhere(pattern).T
    made = sp.from_coo(coords, values[tuple(coords)], shape, fill_value=t.fill)
    if t.format is not None and any(spec.type.prefix for spec in t.format.levels):
        return made.convert(t.format)  # it stores more, and `stored` says so
    return made if t.format is None or t.format.values is None else made.convert(t.format, lossy=True)


def composite(t: TensorDecl, shape: tuple[int, ...], rng: np.random.Generator) -> sp.Tensor:
    """Random parts, put together."""
    assert t.format is not None
    parts = []
    for term in t.format.terms:
        edges = [shape[-2], *(n or 3 for n in term.inner), shape[-1]]
        for n, fmt in enumerate(term.factors):
            own = replace(t, format=fmt)
            made = operand(own, (*shape[:-2], edges[n], edges[n + 1]) if term.inner else shape, rng)
            parts.append(sp.tensor(made).convert(fmt, lossy=True))
    return sp.compose(t.format, parts)


@pytest.mark.parametrize("fence", SAMPLES, ids=lambda f: f.label)
def test_samples(fence: Fence) -> None:
    how = fence.words[1] if len(fence.words) > 1 else ""
    assert how in ("", "statements", "run", "later"), f"{fence.label}: what does '{how}' mean?"
    if how == "statements":
        parse(fence.text, "statements")
        return
    unit = parse_source(fence.text, fence.page.name)
    if how == "run":
        assert unit.kernels
        for seed, kernel in enumerate(kernels(fence.text)):
            run(kernel, seed)
    elif how == "later":
        with pytest.raises(sp.UnsupportedError, match=re.escape(" ".join(fence.words[2:]))):
            for kernel in kernels(fence.text):
                kernel(**operands(kernel, 0))


def run(kernel: Kernel, seed: int) -> None:
    """Call the kernel and compare with the reference interpreter."""
    given = operands(kernel, seed)
    known = {d for t in kernel.program.operands for d in t.dims}
    sizes = {d: n for d, n in extents_of(kernel).items() if d not in known}
    dims = ensure_small(kernel, given, sizes)
    got = kernel(**given, sizes=sizes)
    names = [t.name for t in kernel.program.results]
    results = {names[0]: got} if len(names) == 1 else dict(zip(names, got, strict=True))
    assert kernel._resolved is not None
    for verdict in check(kernel._resolved, given, dims, results):
        assert not verdict.wrong, verdict.text


@pytest.fixture
def registry() -> Iterator[None]:
    """Level types that a page defines are forgotten after it."""
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


@BY_PATH
@pytest.mark.usefixtures("registry")
def test_sessions(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType("docs_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    names = vars(module)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for f in fences(page):
        if f.words[:1] == ("python",):
            exec(compile(f.text, f.label, "exec", dont_inherit=True), names)
        elif f.words[:1] == ("pycon",):
            test = doctest.DocTestParser().get_doctest(f.text, names, f.label, str(page), f.line - 1)
            runner.run(test, clear_globs=False)
            names = test.globs
    assert not runner.failures, f"{runner.failures} sessions of {page.name} show what is not so: see the output"


def test_every_fence_says_what_it_is() -> None:
    for f in ALL:
        assert not f.words or f.words[0] in KINDS, f"{f.label}: what is '{f.words[0]}'?"


HEADING = re.compile(r"^#+ +(.*)$", re.M)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"`([\w./-]+/[\w.-]+\.(?:py|md|lark|toml))`")


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    out = set()
    for heading in HEADING.findall(page.read_text(encoding="utf-8")):
        kept = re.sub(r"[^\w\- ]", "", heading.lower())
        out.add(kept.replace(" ", "-"))
    return out


@BY_PATH
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    for target in LINK.findall(prose):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = page if not path else (page.parent / path).resolve()
        assert found.exists(), f"{page.name}: {target}"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{page.name}: {target}"
    for path in PATH.findall(text):
        assert (ROOT / path).exists(), f"{page.name} speaks of {path}"


# what the pages must not forget


def subclasses(cls: type) -> set[type]:
    return {cls} | {s for c in cls.__subclasses__() for s in subclasses(c)}


def test_every_code_has_a_section() -> None:
    assert KnobError.code == "knob"
    codes = {c.code for c in subclasses(SparsecError)}  # type: ignore[attr-defined]
    sections = set(re.findall(r"^## `(\w+)`", (ROOT / "docs/errors.md").read_text(encoding="utf-8"), re.M))
    assert sections == codes


def mentions(page: str, words: Any) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [w for w in words if not re.search(rf"(?<!\w){re.escape(w)}(?!\w)", text)]
    assert not missing, f"{page} does not mention {', '.join(missing)}"


def test_nothing_is_forgotten() -> None:
    mentions("docs/language.md", (*FUNCTIONS, *REDUCTIONS, *BY_NAME))
    mentions("docs/formats.md", (*FORMATS, *REGISTRY))
    mentions("docs/api.md", _READERS)
    mentions("docs/api.md", sp.__all__)
    public = [n for n, _ in inspect.getmembers(sp.Kernel) if not n.startswith("_")]
    tensor = [n for n in vars(sp.Tensor) if not n.startswith("_") and n != "storage"]
    mentions("docs/api.md", [n for n in (*public, *tensor) if n not in ("decide",)])
