"""The normal quantile and the logarithm in steps that every engine rounds alike: their results are the same bits.

IEEE 754 settles the rounding of +, −, · and ÷, but a library's logarithms (even its roots) are its own, and a compiler
may contract a·b + c into one rounding or reorder a·b·c. So the logarithm is ours, and `steady` keeps products apart
from what follows: it adds a zero that no compiler knows to be one, and a·b + 0 is rounded the same with and without
contraction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of

__all__: list[str] = []

#: ln(1 + f) = f·P(f) for √½ <= 1 + f <= √2, highest power first: relative error below 3e-8, fitted to it.
_LOG = (
    0.08722307533025742,
    -0.14366818964481354,
    0.14952273666858673,
    -0.1656239628791809,
    0.19956833124160767,
    -0.25002074241638184,
    0.3333418667316437,
    -0.49999988079071045,
    1.0,
)
#: ln((1 + s)/(1 − s)) = 2s·(1 + s²/3 + s⁴/5 + …): s <= 0.172 there, so the next term is below 2e-18.
_SERIES = tuple(1.0 / n for n in range(21, 0, -2))

# √2·erfinv(x) = x·P(w) with w = −ln(1 − x²), highest power first: one polynomial in w − 2.5 below 5, one in w − 10 from
# there to 16, where float32 ends. Relative errors below 1e-7 and 4e-8, fitted to it.
_CENTRE = (
    4.035258527324004e-08,
    4.861024081037613e-07,
    -4.990540219296236e-06,
    -6.217976078914944e-06,
    0.0003091501130256802,
    -0.001773010240867734,
    -0.005908170714974403,
    0.3488026559352875,
    2.1233136653900146,
)
_TAIL = (
    -5.870962049847606e-11,
    9.64204827091919e-10,
    -5.876638287105607e-09,
    8.354119174214247e-09,
    4.300315481486905e-07,
    -1.180646268039709e-05,
    0.00024248100817203522,
    -0.0053846947848796844,
    0.22455118596553802,
    4.236624717712402,
)

# Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37, 1988 (PPND16):
# quotients of polynomials, highest power first. With q = x/2: in 0.425² − q² where |q| <= 0.425, times q; beyond, in
# √(−ln min(p, 1 − p)) − 1.6 up to 5 and that less 5 from there.
_MIDDLE = (
    (
        2509.0809287301226727,
        33430.575583588128105,
        67265.770927008700853,
        45921.953931549871457,
        13731.693765509461125,
        1971.5909503065514427,
        133.14166789178437745,
        3.387132872796366608,
    ),
    (
        5226.495278852854561,
        28729.085735721942674,
        39307.89580009271061,
        21213.794301586595867,
        5394.1960214247511077,
        687.1870074920579083,
        42.313330701600911252,
        1.0,
    ),
)
_FLANK = (
    (
        7.7454501427834140764e-4,
        0.0227238449892691845833,
        0.24178072517745061177,
        1.27045825245236838258,
        3.64784832476320460504,
        5.7694972214606914055,
        4.6303378461565452959,
        1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9,
        5.475938084995344946e-4,
        0.0151986665636164571966,
        0.14810397642748007459,
        0.68976733498510000455,
        1.6763848301838038494,
        2.05319162663775882187,
        1.0,
    ),
)
_END = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        0.0012426609473880784386,
        0.026532189526576123093,
        0.29656057182850489123,
        1.7848265399172913358,
        5.4637849111641143699,
        6.6579046435011037772,
    ),
    (
        2.04426310338993978564e-15,
        1.4215117583164458887e-7,
        1.8463183175100546818e-5,
        7.868691311456132591e-4,
        0.0148753612908506148525,
        0.1369298809227358053,
        0.59983220655588793769,
        1.0,
    ),
)


def steady(product: Tensor, zero: Tensor) -> Tensor:
    """A product to which something is added next, kept apart from that sum; `zero` is 0 and must not be a constant."""
    return p.add(product, zero)


def _polynomial(x: Tensor, coefficients: Sequence[float], zero: Tensor) -> Tensor:
    """Horner's rule, highest power first."""
    result: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        result = p.add(steady(p.multiply(x, result), zero), coefficient)
    return result


def log(x: Tensor, zero: Tensor) -> Tensor:
    """ln x of positive, normal x: relative error about 1e-7 in float32, 3e-16 in float64."""
    wide = dtype_of(x) == "float64"
    word, mantissa_bits, root_half = ("int64", 52, 0x3FE6A09E667F3BCD) if wide else ("int32", 23, 0x3F3504F3)
    bits = p.bitcast(x, dtype=word)
    exponent = p.right_shift(p.subtract(bits, root_half), mantissa_bits)  # x = 2^exponent · m, √½ <= m < √2
    m = p.bitcast(p.subtract(bits, p.left_shift(exponent, mantissa_bits)), dtype=dtype_of(x))
    f = p.subtract(m, 1.0)
    if wide:
        s = p.divide(f, p.add(m, 1.0))
        small = p.multiply(p.multiply(s, 2.0), _polynomial(p.multiply(s, s), _SERIES, zero))
    else:
        small = p.multiply(f, _polynomial(f, _LOG, zero))
    large = p.multiply(p.cast(exponent, dtype=dtype_of(x)), math.log(2.0))
    return p.add(steady(large, zero), steady(small, zero))


def log1p_of_negative(x: Tensor, zero: Tensor) -> Tensor:
    """ln(1 − x) for float32 numbers 0 < x < 1."""
    f = p.negative(x)
    near = p.multiply(f, _polynomial(f, _LOG, zero))
    return p.where(p.less(x, 0.25), near, log(p.subtract(1.0, x), zero))


def normal_quantile(x: Tensor, zero: Tensor) -> Tensor:
    """√2·erfinv(x) for |x| < 1: relative error below 4e-7 in float32, 4e-15 in float64."""
    return _quantile64(x, zero) if dtype_of(x) == "float64" else _quantile32(x, zero)


def _quantile32(x: Tensor, zero: Tensor) -> Tensor:
    size = p.abs(x)
    product = p.multiply(p.subtract(1.0, size), steady(p.add(size, 1.0), zero))
    w = p.negative(log(product, zero))
    centre = _polynomial(p.subtract(w, 2.5), _CENTRE, zero)
    tail = _polynomial(p.subtract(w, 10.0), _TAIL, zero)
    return steady(p.multiply(x, p.where(p.less(w, 5.0), centre, tail)), zero)


def _quantile64(x: Tensor, zero: Tensor) -> Tensor:
    q = p.multiply(x, 0.5)
    size = p.abs(q)
    inside = p.subtract(0.180625, steady(p.multiply(q, q), zero))
    middle = p.multiply(q, _quotient(inside, _MIDDLE, zero))
    r = _root(p.negative(log(p.subtract(0.5, size), zero)), zero)
    flank = _quotient(p.subtract(r, 1.6), _FLANK, zero)
    end = _quotient(p.subtract(r, 5.0), _END, zero)
    outside = p.multiply(p.where(p.less_equal(r, 5.0), flank, end), p.sign(x))
    return p.where(p.less_equal(size, 0.425), middle, outside)


def _root(x: Tensor, zero: Tensor) -> Tensor:
    """√x in float64, to 2⁻⁵⁰. Libraries round it in their own ways: cut to float32 they agree, and Newton goes on."""
    guess = p.cast(p.cast(p.sqrt(x), dtype="float32"), dtype="float64")
    rest = p.subtract(x, steady(p.multiply(guess, guess), zero))
    return p.add(guess, p.divide(p.multiply(rest, 0.5), guess))


def _quotient(x: Tensor, parts: tuple[Sequence[float], Sequence[float]], zero: Tensor) -> Tensor:
    above, below = (_polynomial(x, coefficients, zero) for coefficients in parts)
    return p.divide(above, below)
