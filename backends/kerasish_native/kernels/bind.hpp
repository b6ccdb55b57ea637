// One binder per kernel family. A new family adds its `bind_*` here and calls it in bind.cpp.
#pragma once

#include <nanobind/nanobind.h>

namespace kerasish {

void bind_runtime(nanobind::module_& m);
void bind_threefry(nanobind::module_& m);
void bind_plan(nanobind::module_& m);    // first: it declares View and Step, which the step makers use
void bind_matrix(nanobind::module_& m);
void bind_tile(nanobind::module_& m);
void bind_moving(nanobind::module_& m);
void bind_indexing(nanobind::module_& m);
void bind_windows(nanobind::module_& m);
void bind_recurrent(nanobind::module_& m);
void bind_ordering(nanobind::module_& m);
void bind_attention(nanobind::module_& m);

}  // namespace kerasish
