// Transcendental functions of float32 and float64 tiles.
#include "math.hpp"
#include "tile_fill.hpp"
#include "tile_loops.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

#define KERASISH_VECTOR1(Name, function) \
  struct Name { template <class V> KERASISH_INLINE static V apply(V a) { return function(a); } }
#define KERASISH_VECTOR2(Name, function) \
  struct Name { template <class V> KERASISH_INLINE static V apply(V a, V b) { return function(a, b); } }
#define KERASISH_LIBRARY1(Name, function) \
  struct Name { KERASISH_INLINE static double apply(double a) { return std::function(a); } }
#define KERASISH_LIBRARY2(Name, function) \
  struct Name { KERASISH_INLINE static double apply(double a, double b) { return std::function(a, b); } }

KERASISH_VECTOR1(Exp, exp);
KERASISH_VECTOR1(Expm1, expm1);
KERASISH_VECTOR1(Log, log);
KERASISH_VECTOR1(Log1p, log1p);
KERASISH_VECTOR1(Sin, sin);
KERASISH_VECTOR1(Cos, cos);
KERASISH_VECTOR1(Tan, tan);
KERASISH_VECTOR1(Arcsin, arcsin);
KERASISH_VECTOR1(Arccos, arccos);
KERASISH_VECTOR1(Arctan, arctan);
KERASISH_VECTOR1(Sinh, sinh);
KERASISH_VECTOR1(Cosh, cosh);
KERASISH_VECTOR1(Tanh, tanh);
KERASISH_VECTOR1(Arcsinh, arcsinh);
KERASISH_VECTOR1(Arccosh, arccosh);
KERASISH_VECTOR1(Arctanh, arctanh);
KERASISH_VECTOR1(Sigmoid, sigmoid);
KERASISH_VECTOR1(Erf, erf);
KERASISH_VECTOR2(Power, power);
KERASISH_VECTOR2(Arctan2, arctan2);

// float64: the C library's, one by one.
KERASISH_LIBRARY1(Expm1Library, expm1);
KERASISH_LIBRARY1(Log1pLibrary, log1p);
KERASISH_LIBRARY1(SinLibrary, sin);
KERASISH_LIBRARY1(CosLibrary, cos);
KERASISH_LIBRARY1(TanLibrary, tan);
KERASISH_LIBRARY1(ArcsinLibrary, asin);
KERASISH_LIBRARY1(ArccosLibrary, acos);
KERASISH_LIBRARY1(ArctanLibrary, atan);
KERASISH_LIBRARY1(SinhLibrary, sinh);
KERASISH_LIBRARY1(CoshLibrary, cosh);
KERASISH_LIBRARY1(TanhLibrary, tanh);
KERASISH_LIBRARY1(ArcsinhLibrary, asinh);
KERASISH_LIBRARY1(ArccoshLibrary, acosh);
KERASISH_LIBRARY1(ArctanhLibrary, atanh);
KERASISH_LIBRARY1(ErfLibrary, erf);
KERASISH_LIBRARY2(PowerLibrary, pow);
KERASISH_LIBRARY2(Arctan2Library, atan2);

// Division that rounds down and its remainder, which has the sign of b; as NumPy defines them for floats.
struct Remainder {
  template <class T> KERASISH_INLINE static T apply(T a, T b) {
    T rest = std::fmod(a, b);
    if (b == 0) return rest;
    if (rest == 0) return std::copysign(T(0), b);
    return (b < 0) != (rest < 0) ? rest + b : rest;
  }
};
struct FloorDivide {
  template <class T> KERASISH_INLINE static T apply(T a, T b) {
    if (b == 0) return a / b;
    const T rest = std::fmod(a, b);
    T quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
    if (quotient == 0) return std::copysign(T(0), a / b);
    const T floor = std::floor(quotient);
    return quotient - floor > T(0.5) ? floor + 1 : floor;
  }
};

template <class F>
void set1(TileKernels& table, TileOp op) {
  entry(table, op, Dtype::float32) = map1<float, F>;
}
template <class Library>
void set1d(TileKernels& table, TileOp op) {
  entry(table, op, Dtype::float64) = plain1<double, double, Library>;
}
template <class T, class F>
void set2(TileKernels& table, TileOp op, Dtype dtype) {
  entry(table, op, dtype) = plain2<T, T, F, 0>;
}

}  // namespace

void fill_tile_math(TileKernels& table) {
  set1<Exp>(table, TileOp::exp);
  set1<Expm1>(table, TileOp::expm1);
  set1<Log>(table, TileOp::log);
  set1<Log1p>(table, TileOp::log1p);
  set1<Sin>(table, TileOp::sin);
  set1<Cos>(table, TileOp::cos);
  set1<Tan>(table, TileOp::tan);
  set1<Arcsin>(table, TileOp::arcsin);
  set1<Arccos>(table, TileOp::arccos);
  set1<Arctan>(table, TileOp::arctan);
  set1<Sinh>(table, TileOp::sinh);
  set1<Cosh>(table, TileOp::cosh);
  set1<Tanh>(table, TileOp::tanh);
  set1<Arcsinh>(table, TileOp::arcsinh);
  set1<Arccosh>(table, TileOp::arccosh);
  set1<Arctanh>(table, TileOp::arctanh);
  set1<Sigmoid>(table, TileOp::sigmoid);
  set1<Erf>(table, TileOp::erf);
  for (int mode = 0; mode < 3; ++mode) {
    const TileFunction powers[] = {map2<float, Power, 0>, map2<float, Power, 1>, map2<float, Power, 2>};
    entry(table, TileOp::power, Dtype::float32, mode) = powers[mode];
  }
  entry(table, TileOp::arctan2, Dtype::float32) = map2<float, Arctan2, 0>;

  entry(table, TileOp::exp, Dtype::float64) = map1<double, Exp>;
  entry(table, TileOp::log, Dtype::float64) = map1<double, Log>;
  entry(table, TileOp::sigmoid, Dtype::float64) = map1<double, Sigmoid>;
  set1d<Expm1Library>(table, TileOp::expm1);
  set1d<Log1pLibrary>(table, TileOp::log1p);
  set1d<SinLibrary>(table, TileOp::sin);
  set1d<CosLibrary>(table, TileOp::cos);
  set1d<TanLibrary>(table, TileOp::tan);
  set1d<ArcsinLibrary>(table, TileOp::arcsin);
  set1d<ArccosLibrary>(table, TileOp::arccos);
  set1d<ArctanLibrary>(table, TileOp::arctan);
  set1d<SinhLibrary>(table, TileOp::sinh);
  set1d<CoshLibrary>(table, TileOp::cosh);
  set1d<TanhLibrary>(table, TileOp::tanh);
  set1d<ArcsinhLibrary>(table, TileOp::arcsinh);
  set1d<ArccoshLibrary>(table, TileOp::arccosh);
  set1d<ArctanhLibrary>(table, TileOp::arctanh);
  set1d<ErfLibrary>(table, TileOp::erf);
  set2<double, PowerLibrary>(table, TileOp::power, Dtype::float64);
  set2<double, Arctan2Library>(table, TileOp::arctan2, Dtype::float64);
  set2<float, Remainder>(table, TileOp::remainder, Dtype::float32);
  set2<double, Remainder>(table, TileOp::remainder, Dtype::float64);
  set2<float, FloorDivide>(table, TileOp::floor_divide, Dtype::float32);
  set2<double, FloorDivide>(table, TileOp::floor_divide, Dtype::float64);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
