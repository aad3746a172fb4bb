"""What ``explain`` says of several statements: which share loops, and which are whole before others begin."""

from __future__ import annotations

import sparsec as sp


def lines(text: str) -> list[str]:
    return [line.strip() for line in sp.compile(text).explain().splitlines()]


def test_statements_of_their_own() -> None:
    said = lines("""
        kernel f(A: f64[m, n] csr, x: f64[n]) -> y: f64[m], z: f64[m] {
            t[i] = A[i, j] * x[j]
            y[i] = exp(t[i])
            z[i] = t[i] + y[i]
        }""")
    assert "t: fused: what is reduced over j is folded in a scalar, not stored" in said
    assert "not fused: 3 traversals, one after another: t, y, z" in said
    for name, reader in (("t", "y"), ("t", "z"), ("y", "z")):
        assert f"'{name}' is whole before '{reader}' reads it" in said


def test_one_statement_says_nothing_of_fusion() -> None:
    said = lines("kernel f(x: f64[n]) -> y: f64[n] { y[i] = 2 * x[i] }")
    assert not any("fused" in line or "whole" in line for line in said)


def test_a_reduction_that_goes_first_is_a_traversal() -> None:
    said = lines("kernel f(A: f64[m, n] csr, x: f64[n], b: f64[m]) -> r: f64[m] { r[i] = b[i] - A[i, j] * x[j] }")
    first = any(line.startswith("r: a reduction over j goes first") for line in said)
    assert first == any(line.startswith("not fused: 2 traversals") for line in said)
    assert first or any(line.startswith("r: fused") for line in said)
