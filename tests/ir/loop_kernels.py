"""Hand-written loop nest texts that the tests of several stages run."""

CSR = "(i, j) -> (i: dense, j: compressed[index=i32, pos=i32])"
COO = "(i, j) -> (i: compressed[nonunique, index=i32, pos=i32], j: singleton[index=i32])"
MAT = "dense"

SPMV = f"""\
kernel spmv {{
  in A: f64[m, n] {CSR} fill(0.0)
  in x: f64[n] dense fill(0.0)
  out y: f64[m] dense fill(0.0)
  assemble y by insert {{
    forall i in m parallel {{
      workspace t: f64 scalar init 0.0 produce {{
        forall j in n {{
          t[] add= mul(A[i, j], x[j])
        }}
      }} consume {{
        y[i] = t[]
      }}
    }}
  }}
}}
"""

SPMM_PANEL = f"""\
kernel spmm {{
  in A: f64[m, n] {CSR} fill(0.0)
  in B: f64[n, d] dense fill(0.0)
  out C: f64[m, d] dense fill(0.0)
  assemble C by insert {{
    forall ko in chunks(d, 4) {{
      forall i in m parallel(16) {{
        workspace w[k in chunk(ko, 4, d)]: f64 registers init 0.0 produce {{
          forall j in n {{
            forall k in chunk(ko, 4, d) vector(4) {{
              w[k] add= mul(A[i, j], B[j, k])
            }}
          }}
        }} consume {{
          forall k in chunk(ko, 4, d) unroll {{
            C[i, k] = w[k]
          }}
        }}
      }}
    }}
  }}
}}
"""

SPGEMM_BITMAP = f"""\
kernel spgemm {{
  in A: f64[m, n] {CSR} fill(0.0)
  in B: f64[n, p] {CSR} fill(0.0)
  out C: f64[m, p] {CSR} fill(0.0)
  assemble C by count {{
    forall i in m parallel {{
      workspace w[k in p]: f64 bitmap init 0.0 produce {{
        forall j in n {{
          forall k in p {{
            w[k] add= mul(A[i, j], B[j, k])
          }}
        }}
      }} consume {{
        forall k in p {{
          C[i, k] = w[k]
        }}
      }}
    }}
  }}
}}
"""

COO_SCATTER = f"""\
kernel scatter {{
  in A: f64[m, n] {COO} fill(0.0)
  in x: f64[m] dense fill(0.0)
  out y: f64[n] dense fill(0.0)
  assemble y by insert {{
    forall (i, j) in stored(A[i, j]) {{
      y[j] add= mul(A[i, j], x[i])
    }}
  }}
}}
"""

A_PLACE, B_PLACE = "add(mul(io, 4:i64), i), add(mul(ko, 2:i64), k)", "add(mul(ko, 2:i64), k), add(mul(jo, 4:i64), j)"
TILE_MATMUL = """\
kernel blocks {
  in A: f32[8, 12] dense fill(0.0)
  in B: f32[12, 8] dense fill(0.0)
  out C: f32[8, 8] dense fill(0.0)
  assemble C by insert {
    forall io in chunks(8, 4) parallel {
      forall jo in chunks(8, 4) {
        workspace w[i in 4, j in 4]: f32 registers init 0.0 produce {
          forall ko in chunks(12, 2) ordered {
            tile i < 4, j < 4, k < 2 {
              w[i, j] add= mul(A[A_PLACE], B[B_PLACE])
            }
          }
        } consume {
          tile i < 4, j < 4 {
            C[add(mul(io, 4:i64), i), add(mul(jo, 4:i64), j)] = w[i, j]
          }
        }
      }
    }
  }
}
""".replace("A_PLACE", A_PLACE).replace("B_PLACE", B_PLACE)

ADD_APPEND = f"""\
kernel plus {{
  in A: i64[m, n] {CSR} fill(0)
  in B: i64[m, n] {CSR} fill(0)
  out C: i64[m, n] (i, j) -> (i: compressed[index=i64, pos=i64], j: compressed[index=i32, pos=i64]) fill(0)
  assemble C by append {{
    forall i in m {{
      forall j in n {{
        C[i, j] = add(A[i, j], B[i, j])
      }}
    }}
  }}
}}
"""

SDDMM = f"""\
kernel sddmm {{
  in S: f32[m, n] {CSR} fill(0.0)
  in X: f32[m, d] dense fill(0.0)
  in Y: f32[n, d] dense fill(0.0)
  out P: f32[m, n] {CSR} fill(0.0)
  assemble P by count {{
    forall i in m parallel(0) {{
      forall j in n {{
        workspace t: f32 scalar init 0.0 produce {{
          forall k in d {{
            t[] add= mul(S[i, j], mul(X[i, k], Y[j, k]))
          }}
        }} consume {{
          P[i, j] = t[]
        }}
      }}
    }}
  }}
}}
"""

SHORTEST = f"""\
kernel relax {{
  in G: f64[n, n] {CSR} fill(inf)
  in d: f64[n] dense fill(inf)
  local t: f64[n] dense fill(inf)
  out e: f64[n] dense fill(0.0)
  assemble t by insert {{
    forall i in n {{
      forall j in n {{
        t[j] min= add(d[i], G[i, j])
      }}
    }}
  }}
  assemble e by insert {{
    forall j in n {{
      e[j] = min(d[j], t[j])
    }}
  }}
}}
"""

TRANSPOSE_LIST = f"""\
kernel transposed {{
  in A: f64[m, n] {CSR} fill(0.0)
  out C: f64[n, m] {CSR} fill(0.0)
  assemble C by append {{
    workspace w[j in n, i in m]: f64 list init 0.0 produce {{
      forall i in m {{
        forall j in n {{
          w[j, i] = A[i, j]
        }}
      }}
    }} consume {{
      forall j in n {{
        forall i in m {{
          C[j, i] = w[j, i]
        }}
      }}
    }}
  }}
}}
"""

LONGEST = f"""\
kernel longest {{
  in A: f64[m, n] {CSR} fill(-inf)
  out C: f64[n] (i) -> (i: compressed[index=i32, pos=i32]) fill(-inf)
  assemble C by append {{
    workspace w[j in n]: f64 list.max init -inf produce {{
      forall i in m {{
        forall j in n {{
          w[j] max= A[i, j]
        }}
      }}
    }} consume {{
      forall j in n {{
        C[j] = w[j]
      }}
    }}
  }}
}}
"""

HISTOGRAM = """\
kernel histogram {
  in bin: i32[n] dense fill(0)
  in w: f64[n] dense fill(0.0)
  inout H: f64[b] dense fill(0.0)
  forall i in n {
    H[cast[i64](bin[i])] add= w[i]
  }
}
"""

MASKED = f"""\
kernel masked {{
  in A: f64[m, n] {CSR} fill(0.0)
  in M: bool[m, n] {CSR} fill(false)
  out C: f64[m, n] {CSR} fill(0.0)
  assemble C by count {{
    forall i in m parallel {{
      forall j in n {{
        if and(M[i, j], not(stored(A[i, j]))) {{
          if lt(j, i) {{
            C[i, j] = 1.0:f64
          }}
        }}
      }}
    }}
  }}
}}
"""

RUNNING = f"""\
kernel running {{
  in A: f64[m, n] {CSR} fill(0.0)
  out y: f64[m, n] dense fill(0.0)
  assemble y by insert {{
    forall i in m parallel {{
      workspace w: f64 scalar init 0.0 produce {{
        forall j in n ordered reverse {{
          w[] add= A[i, j]
          y[i, j] = w[]
        }}
      }} consume {{
      }}
    }}
  }}
}}
"""

SOLVE = f"""\
kernel solve {{
  in L: f64[n, n] {CSR} fill(0.0)
  in b: f64[n] dense fill(0.0)
  out x: f64[n] dense fill(0.0)
  assemble x by insert {{
    forall i in n ordered reverse {{
      workspace w: f64 scalar init 0.0 produce {{
        forall j in n {{
          w[] add= mul(L[i, j], x[j])
        }}
      }} consume {{
        x[i] = sub(b[i], w[])
      }}
    }}
  }}
}}
"""

TOP = f"""\
kernel select {{
  in A: f64[m, n] {CSR} fill(0.0)
  out C: f64[m, n] {CSR} fill(0.0)
  assemble C by count {{
    forall i in m parallel {{
      workspace w[j in n]: f64 list keep 2 init 0.0 produce {{
        forall j in n {{
          w[j] = A[i, j]
        }}
      }} consume {{
        forall j in n {{
          C[i, j] = w[j]
        }}
      }}
    }}
  }}
}}
"""

NAMES = {
    "spmv": SPMV,
    "spmm_panel": SPMM_PANEL,
    "spgemm_bitmap": SPGEMM_BITMAP,
    "coo_scatter": COO_SCATTER,
    "tile_matmul": TILE_MATMUL,
    "add_append": ADD_APPEND,
    "sddmm": SDDMM,
    "shortest": SHORTEST,
    "transpose_list": TRANSPOSE_LIST,
    "longest": LONGEST,
    "histogram": HISTOGRAM,
    "masked": MASKED,
    "running": RUNNING,
    "solve": SOLVE,
    "top": TOP,
}
