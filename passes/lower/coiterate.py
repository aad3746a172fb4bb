"""Foralls over stored entries: merge lattices (Kjolstad, Kamil, Chou, Lugato, Amarasinghe, OOPSLA 2017), by cases.

At a forall over ``i`` the accesses whose next level stores ``i`` sparsely each have or lack an entry at a
coordinate.  For every subset of them that has one, the others are replaced by their fill and the body is simplified:
if nothing is left, the case is dead.  The live cases say everything: with the empty one the loop runs over all
coordinates; otherwise the loops run over unions of live cases, each while all its members last (the points of the
lattice).  So intersections, unions, complements and any function of absent entries need no rules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, reduce
from itertools import combinations

from sparsec.errors import ScheduleError
from sparsec.formats.level import CanIterate, CanLocate, Level, LevelView
from sparsec.ir.buffer import FALSE, TRUE, Block, Expr, If, Set, Stmt, Var, i64
from sparsec.ir.build import Builder, add, both, eq, lt, mul, op, sub
from sparsec.ir.loops import Forall
from sparsec.ir.loops import Stmt as LStmt
from sparsec.ir.tensor import Access
from sparsec.ir.tensor import Expr as TExpr
from sparsec.passes.lower.context import Context, Cursor, Env, Storage
from sparsec.passes.lower.coordinates import Linear
from sparsec.passes.lower.merge_cases import MAX_WALKERS
from sparsec.passes.lower.simplify import Start, prune, substitute

PAST = 2**63 - 1
"""More than any coordinate."""

WIDE = 16
"""Entries for each one of the shortest operand from which an operand of an intersection is searched, not walked."""

STRIDE = 8
"""Coordinates compared at a time where operands may have one pattern."""

Subset = frozenset[Access]
Seams = dict[tuple[Access, Expr], Expr]
"""Of accesses that are walked the first positions from coordinates on."""


class Cases:
    """The simplified body for each subset of accesses that have an entry; None where it does nothing.

    Those of ``last`` have come to their last level, so that an entry there is one of the tensor.
    """

    def __init__(
        self,
        ctx: Context,
        body: LStmt,
        accesses: Iterable[Access],
        start: Start,
        last: frozenset[Access] = frozenset(),
    ) -> None:
        self.ctx = ctx
        self.body = body
        self.accesses = tuple(accesses)
        self.start = start
        self.last = last
        if len(self.accesses) > MAX_WALKERS:
            raise ScheduleError(
                f"{len(self.accesses)} sparse operands meet in one loop, the limit is {MAX_WALKERS}",
                hint="split the statement, or store some of the operands densely",
            )
        self._memo: dict[Subset, LStmt | None] = {}

    def __getitem__(self, present: Subset) -> LStmt | None:
        if present not in self._memo:
            known: dict[TExpr, TExpr] = {a: self.ctx.absent(a) for a in self.accesses if a not in present}
            body = substitute(self.body, known, present & self.last)
            self._memo[present] = prune(body, self.start, self.ctx.kernel.monoids)
        return self._memo[present]

    def live(self) -> list[Subset]:
        """Every subset with something to do, largest first."""
        n = len(self.accesses)
        subsets = (frozenset(c) for k in range(n, -1, -1) for c in combinations(self.accesses, k))
        return [s for s in subsets if self[s] is not None]

    def visited(self, live: list[Subset]) -> list[Subset]:
        """The subsets for which a loop must look: the live ones, and those that one more entry makes of them.

        Mostly these are live themselves; where they are not, an entry takes away what there was (a complement).
        """
        more = dict.fromkeys([*live, *(s | {a} for s in live for a in self.accesses)])  # always in the same order
        return sorted(more, key=lambda s: -len(s))


class OnlyAbsent(Cases):
    """Only the coordinates at which nothing has an entry count."""

    def __getitem__(self, present: Subset) -> LStmt | None:
        return None if present else super().__getitem__(present)


def lattice_points(live: list[Subset]) -> list[Subset]:
    """Unions of live cases, largest first: the sets of walkers some loop must run over together."""
    points: dict[Subset, None] = {}  # always in the same order: loops that do the same have the same code
    for case in live:
        points |= dict.fromkeys([case, *(case | p for p in points)])
    return sorted(points, key=lambda s: -len(s))


@dataclass(frozen=True, slots=True)
class Mirror:
    """How a loop that runs in reverse sees a level: positions and coordinates counted from the other end.

    Seen so they ascend, and everything that merges ascending coordinates stays as it is.  Each number is the sum of the
    first and the last position (coordinate).
    """

    coordinates: Expr
    positions: Expr

    def coordinate(self, coord: Expr) -> Expr:
        return sub(self.coordinates, coord)

    def position(self, pos: Expr) -> Expr:
        return sub(self.positions, pos)


@dataclass(slots=True)
class Walker:
    """A position moving through the stored entries of one level, from the last to the first with a ``mirror``."""

    access: Access
    level: Level
    view: LevelView
    done: int
    unique: bool
    lo: Expr
    end: Expr
    shift: Expr | None = None
    pos: Var | None = None
    segment_end: Expr | None = None
    mirror: Mirror | None = None
    limits: tuple[Expr, Expr] | None = None  # the coordinates that count, where the walk passes others, too
    covered: bool = False  # every coordinate of the level counts
    asks: bool = True  # whether there is an entry, at each position; else padding counts

    def present(self, b: Builder, pos: Expr) -> Expr:
        """Whether an entry that counts stands at ``pos``."""
        assert isinstance(self.level, CanIterate)
        if not self.asks:
            return TRUE
        there = self.level.present(b, self.view, pos)
        if self.limits is None:
            return there
        coord = b.let("coord", self.coordinate(b, pos))
        return both(there, op("le", self.limits[0], coord), lt(coord, self.limits[1]))

    @property
    def sequential(self) -> bool:
        """Is a coordinate known only after those before it?"""
        return isinstance(self.level, CanIterate) and self.level.sequential

    def coordinate(self, b: Builder, pos: Expr) -> Expr:
        """The value of the loop's index at ``pos``: the stored coordinate without what is added to the index."""
        assert isinstance(self.level, CanIterate)
        stored = self.level.coordinate(b, self.view, pos if self.mirror is None else self.mirror.position(pos))
        coord = stored if self.shift is None else sub(stored, self.shift)
        return coord if self.mirror is None else self.mirror.coordinate(coord)

    def cursor(self, pos: Expr) -> Cursor:
        if self.mirror is None:
            return Cursor(self.done + 1, pos, None if self.unique else self.segment_end)
        first = self.mirror.position(pos)
        if self.unique:
            return Cursor(self.done + 1, first)
        assert self.segment_end is not None
        return Cursor(self.done + 1, add(self.mirror.position(self.segment_end), 1), add(first, 1))

    def move(self, b: Builder) -> None:
        """On to the next coordinate, once this one's segment is known."""
        assert self.pos is not None
        b.set(self.pos, self.after())
        self.arrive(b)

    def arrive(self, b: Builder) -> None:
        """At ``pos``, if there is an entry: a level that is walked only reads its coordinate."""
        assert isinstance(self.level, CanIterate) and self.pos is not None
        if self.sequential:
            with b.if_(lt(self.pos, self.end)):
                self.level.arrive(b, self.view, self.pos)

    def after(self) -> Expr:
        """The position of the next coordinate, once this one's segment is known."""
        assert self.pos is not None
        return add(self.pos, self.level.stride) if self.segment_end is None else self.segment_end

    def count(self) -> Expr:
        """How many entries there are."""
        stride = self.level.stride
        return sub(self.end, self.lo) if stride == 1 else op("floordiv", sub(self.end, self.lo), i64(stride))

    def ahead(self, steps: int) -> Expr:
        """The position so many steps after the first."""
        return add(self.lo, steps * self.level.stride)

    def find_segment(self, b: Builder, pos: Expr, coord: Expr) -> None:
        """The end of the run of entries that share ``coord`` (nonunique levels)."""
        if self.unique:
            return
        e = b.var("seg", add(pos, 1))
        more = b.var("more", FALSE)
        self._look(b, e, more, coord)
        with b.while_(more, note=f"segment {self.view.tensor}.{self.view.number}"):
            b.set(e, add(e, 1))
            self._look(b, e, more, coord)
        self.segment_end = e

    def _look(self, b: Builder, e: Var, more: Var, coord: Expr) -> None:
        b.set(more, lt(e, self.end))
        with b.if_(more):
            b.set(more, eq(self.coordinate(b, e), coord))


def make_walker(
    ctx: Context,
    access: Access,
    env: Env,
    lo: Expr,
    hi: Expr,
    whole: bool,
    beside: Linear | None = None,
    ends: Expr | None = None,
    seams: Seams | None = None,
    covered: bool = False,
) -> Walker:
    """A walker over the next level of ``access``, restricted to ``lo..hi`` unless the loop is ``whole``.

    ``seams`` has the positions that were searched for before.
    ``beside`` is what the level's coordinate has beside the loop's index; all of them lie in the loop if ``covered``.
    ``ends``, the sum of the first and last coordinate, makes it walk in reverse.
    """
    b = ctx.b
    storage = ctx.storages[access.tensor]
    cursor = env.cursors.get(access, Cursor(0, i64(0)))
    level, view = storage.levels[cursor.done], storage.views[cursor.done]
    assert isinstance(level, CanIterate)
    parent_end = cursor.hi if cursor.hi is not None else add(cursor.lo, 1)
    first, end = level.bounds(b, view, cursor.lo, parent_end)
    first, end = b.let("first", first), b.let("end", end)
    if cursor.hi is None:
        view = level.begin(b, view, cursor.lo)
    shift, limits = None, None
    if beside is not None and (beside.terms or beside.const):
        shift = b.let("shift", ctx.value(beside, env))
    if covered or (whole and shift is None):
        pass
    elif level.gaps:
        limits = lo, hi
    else:
        assert level.searchable, f"{view.tensor}.{view.number} cannot be searched"
        seams = {} if seams is None else seams
        if shift is None:
            seams |= {(access, i64(0)): first, (access, view.extent): end}
        found = []
        for at in (lo, hi):
            if (access, at) not in seams:
                coord = at if shift is None else add(at, shift)
                seams[access, at] = search(b, level, view, first, end, coord)
            found.append(seams[access, at])
        first, end = found
    mirror = None if ends is None else Mirror(ends, b.let("ends", add(first, sub(end, level.stride))))
    unique = is_unique(storage, cursor.done)
    return Walker(
        access, level, view, cursor.done, unique, first, end, shift, mirror=mirror, limits=limits, covered=covered
    )


def is_unique(storage: Storage, n: int) -> bool:
    """Does level ``n`` hold each coordinate once?  The last one does: tensors have no duplicate entries."""
    return storage.levels[n].unique or (n + 1 == len(storage.levels) and storage.fold is None)


def search(b: Builder, level: Level, view: LevelView, first: Expr, end: Expr, coord: Expr) -> Expr:
    """The first position in ``first..end`` whose coordinate is at least ``coord``, by bisection."""
    assert isinstance(level, CanIterate)
    note = f"search {view.tensor}.{view.number}"
    return b.let("found_at", bisect(b, level, first, end, lambda p: lt(level.coordinate(b, view, p), coord), note))


def bisect(b: Builder, level: Level, first: Expr, end: Expr, below: Callable[[Expr], Expr], note: str) -> Expr:
    """The first position of a parent in ``first..end`` at which ``below`` is false, else ``end``."""
    if level.stride == 1:
        return b.bisect(first, end, below, note)

    def place(k: Expr) -> Expr:
        return add(first, mul(k, level.stride))

    steps = b.let("steps", op("floordiv", sub(end, first), i64(level.stride)))
    return place(b.bisect(i64(0), steps, lambda k: below(place(k)), note))


def probe(ctx: Context, access: Access, env: Env, coord: Expr) -> tuple[Expr, Cursor]:
    """(is there an entry, the cursor at it) for the next level of ``access`` at a known coordinate."""
    b = ctx.b
    storage = ctx.storages[access.tensor]
    cursor = env.cursors.get(access, Cursor(0, i64(0)))
    n = cursor.done
    level, view = storage.levels[n], storage.views[n]
    if not isinstance(level, CanIterate) or not level.searchable:
        view = ctx.placed(access, n, env, cursor.lo)
        look = level.locate if isinstance(level, CanLocate) else level.scan  # type: ignore[attr-defined]
        pos, found = look(b, view, cursor.lo, coord)
        return found, Cursor(n + 1, pos)
    walker = make_walker(ctx, access, env, coord, add(coord, 1), whole=False)
    found = b.let("found", lt(walker.lo, walker.end))
    return found, Cursor(n + 1, walker.lo, None if walker.unique else walker.end)


Leaf = Callable[[LStmt, Env], None]
Decide = Callable[[list[Walker], Subset, Env], list[Stmt]]


class Coiteration:
    """Emits the loops of one forall over walkers; ``leaf`` emits a case's body at a coordinate.

    With ``ends`` the coordinates of its loops are those of ``Mirror``.
    """

    def __init__(
        self, ctx: Context, forall: Forall, env: Env, cases: Cases, leaf: Leaf, ends: Expr | None = None
    ) -> None:
        self.ctx = ctx
        self.b = ctx.b
        self.forall = forall
        self.env = env
        self.cases = cases
        self.leaf = leaf
        self.ends = ends

    def dispatch(self, walkers: list[Walker], flags: dict[Access, Expr], coord: Expr) -> None:
        """Decide which walkers have an entry at ``coord``, one test a walker; emit each live case once; move those on.

        A walker moves in the branch that knows it has an entry: the processor then guesses the branch and goes on,
        where a computed step would make each coordinate wait for the comparison before it.  A walker without a flag
        is there for certain, and moved by its loop.
        """
        here = coord if self.ends is None else self.b.let(self.forall.index, sub(self.ends, coord))
        env = self.env.bind(self.forall.index, here)

        def decide(rest: list[Walker], present: Subset, env: Env) -> list[Stmt]:
            with self.b.collect() as stmts:
                if not self._any_live(present, rest):
                    for w in rest:
                        if w.access not in flags:
                            continue
                        if w.sequential:
                            with self.b.if_(flags[w.access]):
                                w.move(self.b)
                        else:
                            self.b.set(self._pos(w), op("select", flags[w.access], w.after(), self._pos(w)))
                elif not rest:
                    body = self.cases[present]
                    assert body is not None
                    self.leaf(body, env)
                else:
                    self._split(rest, flags, decide, present, env)
            return stmts

        for stmt in decide(walkers, frozenset(), env):
            self.b.emit(stmt)

    def _split(self, rest: list[Walker], flags: dict[Access, Expr], decide: Decide, present: Subset, env: Env) -> None:
        w, tail = rest[0], rest[1:]
        have = decide(tail, present | {w.access}, env.move(w.access, w.cursor(self._pos(w))))
        if w.access not in flags:
            for stmt in have:
                self.b.emit(stmt)
            return
        with self.b.collect() as moved:
            w.move(self.b)
        have += moved
        self.b.if_else(flags[w.access], have, decide(tail, present, env), note="merge")

    def _pos(self, w: Walker) -> Var:
        assert w.pos is not None
        return w.pos

    def _any_live(self, present: Subset, rest: list[Walker]) -> bool:
        others = [w.access for w in rest]
        return any(
            self.cases[present | frozenset(c)] is not None
            for k in range(len(others) + 1)
            for c in combinations(others, k)
        )

    def skip_equal(self, walkers: list[Walker], passed: Callable[[Expr], None]) -> None:
        """Pass over the coordinates with which all walkers begin alike, ``STRIDE`` at a time.

        For counting, where what stands at a coordinate does not matter: operands of one pattern are then compared, not
        merged.
        """
        b = self.b
        for w in walkers:
            w.lo = b.var(f"p_{w.access.tensor}", w.lo)
        alike = b.var("alike", TRUE)
        room = [op("le", add(w.lo, STRIDE * w.level.stride), w.end) for w in walkers]
        with b.while_(both(alike, *room), note="alike"):
            first, *others = walkers
            same = [
                eq(first.coordinate(b, first.ahead(k)), w.coordinate(b, w.ahead(k)))
                for w in others
                for k in range(STRIDE)
            ]
            b.set(alike, both(*same))
            with b.if_(alike):
                for w in walkers:
                    assert isinstance(w.lo, Var)
                    b.set(w.lo, w.ahead(STRIDE))
                passed(i64(STRIDE))

    def merge(self, walkers: list[Walker], live: list[Subset]) -> None:
        """Loops over the lattice points; no coordinate without an entry matters."""
        if len(walkers) == 1:
            self.single(walkers[0])
            return
        for w in walkers:
            w.pos = self.b.var(f"p_{w.access.tensor}", w.lo)
            w.arrive(self.b)
        alone = all(frozenset([w.access]) in live for w in walkers)
        if alone and not self.cases.last.issuperset(self.cases.accesses):
            self.until_the_last(walkers)
            return
        meets = len(live) == 1 and all(w.unique and w.level.searchable and not w.sequential for w in walkers)
        for point in lattice_points(live):
            members = [w for w in walkers if w.access in point]
            if len(members) == 1:
                self.rest(members[0])
            else:
                self.together(members, self.wide(members) if meets else [])

    def single(self, w: Walker) -> None:
        """One walker alone: a plain loop, or a loop over segments."""
        b = self.b
        note = f"iterate {w.view.tensor}.{w.view.number}"
        if not w.unique:
            w.pos = b.var(f"p_{w.access.tensor}", w.lo)
            self.rest(w)
            return
        assert isinstance(w.level, CanIterate)
        if w.level.fan is not None and not w.asks:
            with b.loop("k", i64(0), i64(w.level.fan), mark="unroll", note=note) as k:
                self.at_entry(w, b.let(f"p_{w.access.tensor}", add(w.lo, k)))
            return
        step = w.level.stride
        with b.loop(f"p_{w.access.tensor}", w.lo, w.end, step, note=note) as p, b.if_(w.present(b, p)):
            w.level.arrive(b, w.view, p)
            self.at_entry(w, p)

    def at_entry(self, w: Walker, p: Expr) -> None:
        """The body at position ``p`` of the only walker."""
        coord = self.b.let(self.forall.index, w.coordinate(self.b, p))
        assert isinstance(p, Var)
        w.pos = p
        w.find_segment(self.b, p, coord)
        self.dispatch([w], {}, coord)

    def rest(self, w: Walker) -> None:
        """What is left of one walker."""
        assert w.pos is not None
        with self.b.while_(lt(w.pos, w.end), note=f"iterate {w.view.tensor}.{w.view.number}"):
            self.at_entry(w, w.pos)
            w.move(self.b)

    def wide(self, walkers: list[Walker]) -> list[Expr]:
        """For each walker of an intersection: has it so many entries that a search passes over them sooner?"""
        b = self.b
        sizes = [b.let("entries", w.count()) for w in walkers]
        least = sizes[0]
        for size in sizes[1:]:
            least = op("min", least, size)
        least = b.let("least", mul(least, WIDE))
        return [b.let("wide", lt(least, size)) for size in sizes]

    def gallop(self, walkers: list[Walker], wide: list[Expr]) -> None:
        """Move the wide walkers to the largest of the coordinates at hand: steps that double, then a bisection.

        (Bentley and Yao, "An almost optimal algorithm for unbounded searching", 1976.)
        """
        b = self.b
        here = [w.coordinate(b, self._pos(w)) for w in walkers]
        far = here[0]
        for c in here[1:]:
            far = op("max", far, c)
        far = b.let("far", far)
        for w, is_wide, at in zip(walkers, wide, here, strict=True):
            with b.if_(both(is_wide, lt(at, far))):
                pos, step = self._pos(w), b.var("step", i64(w.level.stride))
                more = b.var("more", TRUE)
                with b.while_(more, note=f"gallop {w.view.tensor}.{w.view.number}"):
                    b.set(more, lt(add(pos, step), w.end))
                    with b.if_(more):
                        b.set(more, lt(w.coordinate(b, add(pos, step)), far))
                        with b.if_(more):
                            b.set(pos, add(pos, step))
                            b.set(step, add(step, step))
                last = b.let("last", op("min", add(pos, step), w.end))
                below = partial(self._below, w, far)
                after = b.let("after", add(pos, w.level.stride))
                b.set(pos, bisect(b, w.level, after, last, below, f"search {w.view.tensor}.{w.view.number}"))

    def _below(self, w: Walker, coord: Expr, pos: Expr) -> Expr:
        return lt(w.coordinate(self.b, pos), coord)

    def together(self, walkers: list[Walker], wide: list[Expr]) -> None:
        """Several walkers while all of them last: the smallest coordinate is next."""
        b = self.b
        names = " ".join(f"{w.view.tensor}.{w.view.number}" for w in walkers)
        conditions = [lt(w.pos, w.end) for w in walkers if w.pos is not None]
        with b.while_(both(*conditions), note=f"merge {names}"):
            here = {w.access: b.let(f"{self.forall.index}_{w.access.tensor}", w.coordinate(b, w.pos)) for w in walkers}  # type: ignore[arg-type]
            coord: Expr = here[walkers[0].access]
            for w in walkers[1:]:
                coord = op("min", coord, here[w.access])
            coord = b.let(self.forall.index, coord)
            flags = {a: b.let("has", eq(c, coord)) for a, c in here.items()}
            self.step(walkers, flags, coord)
            if wide:
                with b.if_(both(reduce(partial(op, "or"), wide), *(lt(self._pos(w), w.end) for w in walkers))):
                    self.gallop(walkers, wide)

    def until_the_last(self, walkers: list[Walker]) -> None:
        """Several walkers until the last of them ends; who has ended is past every coordinate.

        A loop for each set of walkers that is left would ask less, but repeat what is beneath: levels of which each has
        such loops again.
        """
        b = self.b
        names = " ".join(f"{w.view.tensor}.{w.view.number}" for w in walkers)
        with b.while_(reduce(partial(op, "or"), (lt(self._pos(w), w.end) for w in walkers)), note=f"merge {names}"):
            here: dict[Access, Expr] = {}
            for w in walkers:
                at = b.var(f"{self.forall.index}_{w.access.tensor}", i64(PAST))
                with b.if_(lt(self._pos(w), w.end)):
                    b.set(at, w.coordinate(b, self._pos(w)))
                here[w.access] = at
            coord = b.let(self.forall.index, reduce(partial(op, "min"), here.values()))
            self.step(walkers, {a: b.let("has", eq(c, coord)) for a, c in here.items()}, coord)

    def step(self, walkers: list[Walker], flags: dict[Access, Expr], coord: Expr) -> None:
        """Emit the cases at ``coord``, after finding the ends of segments there."""
        b = self.b
        for w in walkers:
            if w.unique:
                continue
            w.segment_end = None
            target = b.var("next", self._pos(w))
            with b.if_(flags[w.access]):
                w.find_segment(b, self._pos(w), coord)
                b.set(target, w.after())
            w.segment_end = target
        self.dispatch(walkers, flags, coord)

    def every(self, walkers: list[Walker], lo: Expr, hi: Expr, while_: Expr | None = None) -> None:
        """Every coordinate of the domain, with the walkers moving along, as long as ``while_`` holds."""
        b = self.b
        for w in walkers:
            w.pos = b.var(f"p_{w.access.tensor}", w.lo)
            w.arrive(b)
        if while_ is None:
            with b.loop(self.forall.index, lo, hi, note="merge with all") as coord:
                self.look(walkers, coord)
            return
        at = b.var(self.forall.index, lo)
        with b.while_(both(lt(at, hi), while_), note="merge with some"):
            self.look(walkers, b.let(self.forall.index, at))
            b.set(at, add(at, 1))

    def look(self, walkers: list[Walker], coord: Expr) -> None:
        """Which walkers have an entry at ``coord``, and the case of these."""
        b = self.b
        flags: dict[Access, Expr] = {}
        for w in walkers:
            assert w.pos is not None
            flag = b.var("has", lt(w.pos, w.end))
            with b.collect() as look:
                look.append(Set(flag, eq(w.coordinate(b, w.pos), coord)))
            b.emit(If(flag, Block(tuple(look))))
            flags[w.access] = flag
        self.step(walkers, flags, coord)
