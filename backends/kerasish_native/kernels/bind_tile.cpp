// Steps of elementwise programs.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <stdexcept>
#include <string>

#include "bind.hpp"
#include "plan/tile_step.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kerasish {
namespace {

constexpr const char* reduction_names[] = {"sum", "prod", "max", "min", "argmax", "argmin"};

TileKind kind_named(const std::string& name) {
  const char* names[] = {"full", "row", "col", "scalar"};
  for (int i = 0; i < 4; ++i) {
    if (name == names[i]) return static_cast<TileKind>(i);
  }
  throw std::invalid_argument("tile_step: a register is full, row, col or scalar; received '" + name + "'");
}

int reduction_named(const std::string& name) {
  if (name == "none") return tile_no_reduction;
  for (int i = 0; i < 4; ++i) {
    if (name == reduction_names[i]) return i;
  }
  if (name == "any") return static_cast<int>(TileReduction::max);
  if (name == "all") return static_cast<int>(TileReduction::min);
  throw std::invalid_argument("tile_step: a store's reduction is none, sum, prod, max, min, any or all; received '" +
                              name + "'");
}

// A dtype's name or its number in DTYPES.
Dtype dtype_of(nb::handle given) {
  const char* names[] = {"bool",  "uint8", "uint16",  "uint32",   "uint64",  "int8",   "int16",
                         "int32", "int64", "float16", "bfloat16", "float32", "float64"};
  if (nb::isinstance<nb::str>(given)) {
    const std::string name = nb::cast<std::string>(given);
    for (int i = 0; i < tile_dtypes; ++i) {
      if (name == names[i]) return static_cast<Dtype>(i);
    }
    throw std::invalid_argument("tile_step: unknown dtype '" + name + "'");
  }
  const int number = nb::cast<int>(given);
  if (number < 0 || number >= tile_dtypes) throw std::invalid_argument("tile_step: unknown dtype");
  return static_cast<Dtype>(number);
}

template <class T>
std::uint64_t bits_of(T x) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof x);
  return bits;
}

// A Python number as the memory of the register's dtype; integers keep all 64 bits.
std::uint64_t constant_bits(nb::handle number, Dtype dtype) {
  switch (dtype) {
    case Dtype::float16: case Dtype::bfloat16: return tile_half_constant(nb::cast<double>(number), dtype);
    case Dtype::float32: return bits_of(static_cast<float>(nb::cast<double>(number)));
    case Dtype::float64: return bits_of(nb::cast<double>(number));
    case Dtype::boolean: return nb::cast<double>(number) != 0 ? 1 : 0;
    case Dtype::uint64: return nb::cast<std::uint64_t>(number);
    default: return static_cast<std::uint64_t>(nb::cast<std::int64_t>(number));  // little-endian: the low bytes first
  }
}

using Register = std::pair<std::string, nb::object>;
using Op = std::tuple<int, nb::object, int, int, int, int>;

std::shared_ptr<Step> make(std::vector<std::int64_t> rows, std::int64_t cols, const std::vector<Register>& registers,
                           const std::vector<std::pair<int, View>>& loads, const std::vector<Op>& ops,
                           const std::vector<std::pair<int, nb::object>>& constants,
                           const std::vector<std::tuple<int, View, std::string>>& stores) {
  std::vector<TileRegister> regs;
  for (const auto& [kind, dtype] : registers) {
    regs.push_back({kind_named(kind), dtype_of(dtype)});
  }
  std::vector<TileLoadRequest> load_requests;
  for (const auto& [reg, view] : loads) load_requests.push_back({reg, view});
  std::vector<TileOpRequest> op_requests;
  for (const auto& [code, dtype, out, a, b, c] : ops) {
    op_requests.push_back({code, dtype_of(dtype), out, {a, b, c}});
  }
  std::vector<TileConstant> constant_requests;
  for (const auto& [reg, number] : constants) {
    if (reg < 0 || static_cast<std::size_t>(reg) >= regs.size()) throw std::invalid_argument("tile_step: no such register");
    constant_requests.push_back({reg, constant_bits(number, regs[static_cast<std::size_t>(reg)].dtype)});
  }
  std::vector<TileStoreRequest> store_requests;
  for (const auto& [reg, view, reduction] : stores) store_requests.push_back({reg, view, reduction_named(reduction)});
  return std::make_shared<TileStep>(
      lower_tile_program(std::move(rows), cols, regs, load_requests, op_requests, constant_requests, store_requests));
}

nb::dict op_codes() {
  nb::dict codes;
  int next = 0;
#define KERASISH_NAME(name, operands) codes[#name] = next++;
  KERASISH_TILE_OPS(KERASISH_NAME)
#undef KERASISH_NAME
  for (int r = 0; r < tile_reductions; ++r) codes[(std::string("row_") + reduction_names[r]).c_str()] = tile_row_code + r;
  codes["stop_gradient"] = static_cast<int>(TileOp::copy);
  codes["row_any"] = tile_row_code + static_cast<int>(TileReduction::max);
  codes["row_all"] = tile_row_code + static_cast<int>(TileReduction::min);
  return codes;
}

constexpr const char* tile_step_doc = R"(A step of elementwise operations and reductions over [*rows, cols] elements.

registers: (kind, dtype): "full" (a value for each element), "row" (one a row), "col" (one a column) or "scalar". Each is
    defined once: by a load, a constant or an operation. Dtypes are names or numbers of DTYPES. 16-bit floats are float32 in
    registers: rounded by stores and by `cast`, not by other operations.
loads: (register, view). Views have the shape [*rows, cols]; stride 0 broadcasts. A view may vary along fewer axes than its
    register; it is converted where dtypes differ.
ops: (code, dtype, dst, a, b, c), codes from TILE_OPS, dtype that of the operands (of the branches of `where`), unused
    operands -1. Operands of all kinds meet: the kind of dst is their join (row with col: full), wider for `copy` only.
    row_sum ... row_all reduce each row: full -> row; row_argmax and row_argmin give int32.
constants: (register, number), kind scalar.
stores: (register, view, reduction). "none" copies, broadcast where the view varies along more axes. "sum", "prod", "max",
    "min", "any", "all" reduce over rows: full -> one value a column (row strides 0), row -> one value (all strides 0).

Results are stored where other operands are read only if both are the same elements of one dtype at one place, strides
included: updating in place is safe. Stores do not overlap each other. Sums of float32 are carried in double beyond short
runs, in an order that depends on sizes alone. When a row's reduction meets full registers, cols may be at most
TILE_LONGEST_ROW. Raises ValueError for a program that is not well formed.)";

}  // namespace

void bind_tile(nb::module_& m) {
  m.attr("TILE_OPS") = op_codes();
  m.attr("TILE_LONGEST_ROW") = tile_longest_row;
  m.def("tile_step", &make, "rows"_a, "cols"_a, "registers"_a, "loads"_a, "ops"_a, "constants"_a, "stores"_a,
        tile_step_doc);
}

}  // namespace kerasish
