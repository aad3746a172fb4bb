"""The small C functions that emitted code calls: NumPy's meaning where C's operators differ.

A template is written once for all types: ``$T`` is the C type, ``$U`` its unsigned counterpart, ``$N`` our name of the
type, ``$F`` the suffix of the math functions.  Only helpers in use are emitted, each after those it needs.
"""

from __future__ import annotations

from string import Template

from sparsec.ir.dtypes import BF16, F16, DType

C_TYPES = {
    "bool": "bool",
    **{f"{k}{n}": f"{'u' if k == 'u' else ''}int{n}_t" for k in "ui" for n in (8, 16, 32, 64)},
    "f16": "float",
    "bf16": "float",
    "f32": "float",
    "f64": "double",
    "c64": "float complex",
    "c128": "double complex",
}
"""The type a value has in a local; f16 and bf16 compute as float."""


def storage_type(t: DType) -> str:
    """The type an element has in memory."""
    return "uint16_t" if t in (F16, BF16) else C_TYPES[t.name]


def suffix(t: DType) -> str:
    """The suffix of the math functions of a float or complex type."""
    return "" if t.name in ("f64", "c128") else "f"


_PLAIN = {
    "alloc": """
        /* Memory for n elements; NULL if there is none or the size overflows. */
        static void *sp_alloc(int64_t n, size_t size) {
          if (n < 0 || (uint64_t)n > (uint64_t)INT64_MAX / size) return NULL;
          return malloc(n ? (size_t)n * size : 1);
        }""",
    "alloc_zero": """
        static void *sp_alloc_zero(int64_t n, size_t size) {
          if (n < 0 || (uint64_t)n > (uint64_t)INT64_MAX / size) return NULL;
          return calloc(n ? (size_t)n : 1, size);
        }""",
    "grow": """
        /* Room for `needed` elements, at least doubling; NULL, with the old memory intact, if there is none. */
        static void *sp_grow(void *memory, int64_t *capacity, int64_t needed, size_t size) {
          if (needed <= *capacity) return memory;
          int64_t target = *capacity > INT64_MAX / 2 || 2 * *capacity < needed ? needed : 2 * *capacity;
          if ((uint64_t)target > (uint64_t)INT64_MAX / size) return NULL;
          void *grown = realloc(memory, (size_t)target * size);
          if (grown) *capacity = target;
          return grown;
        }""",
    "publish": """
        static void sp_publish(int64_t *result, void *memory, int64_t length) {
          free((void *)(intptr_t)result[0]);
          result[0] = (int64_t)(intptr_t)memory;
          result[1] = length;
        }""",
    "withdraw": """
        static void sp_withdraw(int64_t *result) {
          free((void *)(intptr_t)result[0]);
          result[0] = result[1] = 0;
        }""",
    "prefetch": """
        #if defined(__GNUC__)
        #define SP_PREFETCH(address) __builtin_prefetch(address)
        #else
        #define SP_PREFETCH(address) ((void)(address))
        #endif""",
    "from_f16": """
        static float sp_from_f16(uint16_t h) {
          uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023, bits;
          if (exponent == 0) {
            float tiny = (float)fraction * 0x1p-24f;
            return sign ? -tiny : tiny;
          }
          bits = sign | (exponent == 31 ? 0x7F800000u : (exponent + 112) << 23) | fraction << 13;
          float out;
          memcpy(&out, &bits, sizeof out);
          return out;
        }""",
    "to_f16": """
        /* The nearest half, ties to even. */
        static uint16_t sp_to_f16(double x) {
          uint16_t sign = signbit(x) ? 0x8000 : 0;
          double a = fabs(x);
          if (isnan(x)) return (uint16_t)(sign | 0x7E00);
          if (a >= 65520.0) return (uint16_t)(sign | 0x7C00);
          if (a < 0x1p-14) return (uint16_t)(sign + (uint16_t)rint(a * 0x1p24));
          int exponent;
          double fraction = frexp(a, &exponent);
          return (uint16_t)(sign + (uint16_t)((exponent + 13) << 10) + (uint16_t)rint(fraction * 2048.0) );
        }""",
    "round_f16": "static float sp_round_f16(double x) { return sp_from_f16(sp_to_f16(x)); }",
    "from_bf16": """
        static float sp_from_bf16(uint16_t h) {
          uint32_t bits = (uint32_t)h << 16;
          float out;
          memcpy(&out, &bits, sizeof out);
          return out;
        }""",
    "to_bf16": """
        /* The nearest bf16, ties to even. */
        static uint16_t sp_to_bf16(float x) {
          uint32_t bits;
          memcpy(&bits, &x, sizeof bits);
          if (isnan(x)) return 0x7FC0;
          return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
        }""",
    "round_bf16": "static float sp_round_bf16(float x) { return sp_from_bf16(sp_to_bf16(x)); }",
}

_TYPED = {
    "floordiv_i": """
        static $T sp_floordiv_$N($T a, $T b) {
          if (b == 0) return 0;
          if (b == -1) return ($T)(0 - ($U)a);
          $T q = ($T)(a / b);
          return ($T)(q - (a % b != 0 && (a < 0) != (b < 0)));
        }""",
    "mod_i": """
        static $T sp_mod_$N($T a, $T b) {
          if (b == 0 || b == -1) return 0;
          $T r = ($T)(a % b);
          return ($T)(r != 0 && (r < 0) != (b < 0) ? r + b : r);
        }""",
    "floordiv_u": "static $T sp_floordiv_$N($T a, $T b) { return ($T)(b ? a / b : 0); }",
    "mod_u": "static $T sp_mod_$N($T a, $T b) { return ($T)(b ? a % b : 0); }",
    "floordiv_f": """
        static $T sp_floordiv_$N($T a, $T b) {
          if (b == 0) return a / b;
          $T r = fmod$F(a, b), q = (a - r) / b;
          if (r != 0 && (b < 0) != (r < 0)) q -= 1;
          if (q == 0) return copysign$F(0, a / b);
          $T whole = floor$F(q);
          return q - whole > ($T)0.5 ? whole + 1 : whole;
        }""",
    "mod_f": """
        static $T sp_mod_$N($T a, $T b) {
          $T r = fmod$F(a, b);
          if (b == 0) return r;
          if (r == 0) return copysign$F(0, b);
          return (b < 0) != (r < 0) ? r + b : r;
        }""",
    "pow_u": """
        static $T sp_pow_$N($T a, $T n) {
          uint64_t out = 1, base = (uint64_t)a;
          for (; n; n = ($T)(n >> 1), base *= base) if (n & 1) out *= base;
          return ($T)out;
        }""",
    "pow_i": """
        static $T sp_pow_$N($T a, $T n) {
          if (n < 0) return ($T)(a == 1 ? 1 : a == -1 ? (n % 2 ? -1 : 1) : 0);
          uint64_t out = 1, base = (uint64_t)a;
          for (; n; n = ($T)(n >> 1), base *= base) if (n & 1) out *= base;
          return ($T)out;
        }""",
    "abs_i": "static $T sp_abs_$N($T a) { return ($T)(a < 0 ? 0 - ($U)a : ($U)a); }",
    "min": "static $T sp_min_$N($T a, $T b) { return a < b ? a : b; }",
    "max": "static $T sp_max_$N($T a, $T b) { return a > b ? a : b; }",
    "min_f": "static $T sp_min_$N($T a, $T b) { return a < b || a != a ? a : b; }",
    "max_f": "static $T sp_max_$N($T a, $T b) { return a > b || a != a ? a : b; }",
    "shl": "static $T sp_shl_$N($T a, $T n) { return n < 0 || n >= $B ? 0 : ($T)(($U)a << n); }",
    "shr": "static $T sp_shr_$N($T a, $T n) { return n < 0 || n >= $B ? 0 : ($T)(($U)a >> n); }",
    "shl_u": "static $T sp_shl_$N($T a, $T n) { return ($T)(n >= $B ? 0 : a << n); }",
    "shr_u": "static $T sp_shr_$N($T a, $T n) { return ($T)(n >= $B ? 0 : a >> n); }",
    "ctz": """
        static $T sp_ctz_$N($T a) {
          int n = 0;
          for ($U bits = ($U)a; n < $B && !(bits & 1); bits = ($U)(bits >> 1)) ++n;
          return ($T)n;
        }""",
    "popcount": """
        static $T sp_popcount_$N($T a) {
          int n = 0;
          for ($U bits = ($U)a; bits; bits = ($U)(bits & (bits - 1))) ++n;
          return ($T)n;
        }""",
    "complex": """
        static $T sp_complex_$N($R real, $R imag) {
          $R parts[2] = {real, imag};
          $T out;
          memcpy(&out, parts, sizeof out);
          return out;
        }""",
    "cmul": """
        /* Without C's repair of infinities, as NumPy. */
        static $T sp_cmul_$N($T a, $T b) {
          $R ar = creal$F(a), ai = cimag$F(a), br = creal$F(b), bi = cimag$F(b);
          return sp_complex_$N(ar * br - ai * bi, ar * bi + ai * br);
        }""",
    "cdiv": """
        static $T sp_cdiv_$N($T a, $T b) {
          $R ar = creal$F(a), ai = cimag$F(a), br = creal$F(b), bi = cimag$F(b);
          if (fabs$F(br) >= fabs$F(bi)) {
            if (br == 0 && bi == 0) return sp_complex_$N(ar / fabs$F(br), ai / fabs$F(br));
            $R ratio = bi / br, scale = 1 / (br + bi * ratio);
            return sp_complex_$N((ar + ai * ratio) * scale, (ai - ar * ratio) * scale);
          }
          $R ratio = br / bi, scale = 1 / (bi + br * ratio);
          return sp_complex_$N((ar * ratio + ai) * scale, (ai * ratio - ar) * scale);
        }""",
    "csign": """
        static $T sp_csign_$N($T a) {
          $R size = cabs$F(a);
          return size == 0 ? a : sp_complex_$N(creal$F(a) / size, cimag$F(a) / size);
        }""",
}
_NEEDS = {
    "round_f16": ("from_f16", "to_f16"),
    "round_bf16": ("from_bf16", "to_bf16"),
    "cmul": ("complex",),
    "cdiv": ("complex",),
    "csign": ("complex",),
}


class Helpers:
    """The helpers that a module turns out to need."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def plain(self, name: str) -> str:
        """Ask for a helper without types; gives its C name."""
        for other in _NEEDS.get(name, ()):
            self.plain(other)
        self._texts.setdefault(name, _undent(_PLAIN[name]))
        return f"sp_{name}"

    def typed(self, family: str, t: DType) -> str:
        """Ask for a helper at a type; gives its C name."""
        for other in _NEEDS.get(family, ()):
            self.typed(other, t)
        real = "float" if t.name == "c64" else "double"
        unsigned = f"uint{t.bits}_t"
        text = Template(_TYPED[family]).substitute(
            T=C_TYPES[t.name], U=unsigned, N=t.name, F=suffix(t), R=real, B=t.bits
        )
        self._texts.setdefault(f"{family} {t}", _undent(text))
        return f"sp_{family.split('_')[0]}_{t.name}"

    def function(self, name: str, gives: str, takes: str, value: str) -> str:
        """Ask for a function of one expression; gives its C name."""
        self._texts.setdefault(name, f"static {gives} sp_{name}({takes}) {{ return {value}; }}")
        return f"sp_{name}"

    def vector(self, t: DType, lanes: int) -> str:
        """Ask for the struct that holds a vector; gives its C name."""
        name = f"sp_{t.name}x{lanes}"
        self._texts.setdefault(name, f"typedef struct {{ {C_TYPES[t.name]} lane[{lanes}]; }} {name};")
        return name

    def text(self) -> str:
        return "\n\n".join(self._texts.values())


def _undent(text: str) -> str:
    lines = text.strip("\n").split("\n")
    margin = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[margin:] for line in lines)


__all__ = ["C_TYPES", "Helpers", "storage_type", "suffix"]
