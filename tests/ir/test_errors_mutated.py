"""Texts with tokens lost, doubled, swapped and replaced: a parser answers with a tree or a located error, nothing else.

What it reads, it prints and reads back; what the verifier then says is a ``VerifyError`` too.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sparsec.errors import SparsecError
from sparsec.ir import buffer_text, buffer_verify, loops_text, loops_verify, tensor_text, tensor_verify
from sparsec.ir.text import tokenize
from tests.programs.cases import ALL as CASES
from tests.support.differential import lower

sys.path.insert(0, str(Path(__file__).parent))
import loop_kernels
import tensor_programs

ROUNDS = 500
SEPARATED = """
( ) [ ] { } , : = - + / % # #: .. . -> < @ ! "a" "\\" \\ '
0 -1 9999999999999999999999999999 99999999999999999999999999999999999999999999999 1e999 1e-999 x99999999999999
nan inf true complex fill cast reduce top softmax scan where for in stored dim select monoid planned range
f64 bf16 bool i8 x4 csr bsr dense coo i A y \u00e9 \u00b2 \u0663 planned["x"] complex(1,complex(1,1))
"""
WORDS = (*SEPARATED.split(), "complex(1, 1)", "\x00", "\u2028", "\ud800")


@dataclass(frozen=True, slots=True)
class Level:
    """One IR's text: how it is read, printed and verified, and whole texts of it."""

    parse: Callable[[str], Any]
    show: Callable[[Any], str]
    verify: Callable[[Any], None]
    texts: tuple[str, ...]

    def check(self, text: str) -> bool:
        """Whether the text was read; raises what should not happen."""
        try:
            tree = self.parse(text)
        except SparsecError as error:
            assert error.span is not None and error.source == text
            str(error)
            return False
        shown = self.show(tree)
        again = self.parse(shown)
        assert self.show(again) == shown
        assert again == tree or "nan" in shown
        try:
            self.verify(tree)
        except SparsecError as error:
            str(error)
        return True


LOWERED = [lower(c.source.program) for c in list(CASES.values())[::40]]
LEVELS = {
    "tensor": Level(
        tensor_text.parse_program,
        tensor_text.print_program,
        tensor_verify.verify,
        tuple(tensor_programs.NAMES.values()),
    ),
    "loops": Level(
        loops_text.parse_kernel,
        loops_text.print_kernel,
        loops_verify.verify,
        (*loop_kernels.NAMES.values(), *(loops_text.print_kernel(low.kernel) for low in LOWERED)),
    ),
    "buffer": Level(
        buffer_text.parse_module,
        buffer_text.print_module,
        buffer_verify.verify,
        tuple(buffer_text.print_module(low.module) for low in LOWERED),
    ),
}


def mutate(tokens: list[str], rng: random.Random) -> list[str]:
    """The tokens with one to three changes."""
    out = list(tokens)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(out))
        match rng.randrange(7):
            case 0 if len(out) > 1:
                del out[at]
            case 1:
                out.insert(at, out[at])
            case 2:
                out[at] = rng.choice(WORDS)
            case 3:
                out.insert(at, rng.choice(WORDS))
            case 4:
                other = rng.randrange(len(out))
                out[at], out[other] = out[other], out[at]
            case _:
                # One of its own kind: what is read most often, and then breaks a rule.
                kind = [t for t in out if t[0].isalpha() == out[at][0].isalpha()]
                out[at] = rng.choice(kind)
    return out


@pytest.mark.parametrize("name", LEVELS)
def test_mutated_texts(name: str) -> None:
    level, rng = LEVELS[name], random.Random(name)
    texts = [[t.text for t in tokenize(text, comments=True)[:-1]] for text in level.texts]
    texts = [t for t in texts if t]
    read = 0
    for _ in range(ROUNDS):
        tokens = mutate(rng.choice(texts), rng)
        space = "\n" if name == "buffer" else " "
        text = "".join(t + ("\n" if t[:1] == "#" and t != "#:" else space) for t in tokens)
        if rng.random() < 0.1:
            cut = rng.randrange(len(text))
            text = text[:cut] + text[cut + rng.randrange(4) :]
        read += level.check(text)
    assert read > ROUNDS // 100


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("text", ["", " \n\n", "\x00", "\ud800", '"', "#", "program", "kernel k {", "func f(", "}" * 9])
def test_scraps(name: str, text: str) -> None:
    assert not LEVELS[name].check(text)


@pytest.mark.parametrize("name", LEVELS)
def test_every_beginning_of_a_text(name: str) -> None:
    level = LEVELS[name]
    text = min(level.texts, key=lambda t: abs(len(t) - 1000))
    for end in range(0, len(text), 3):
        level.check(text[:end])
