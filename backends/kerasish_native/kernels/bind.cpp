// The Python module `kerasish_native._kernels`: assembles what the bind_*.cpp files declare, nothing else.
#include "bind.hpp"

NB_MODULE(_kernels, m) {
#if !defined(__SANITIZE_ADDRESS__)  // `make asan` tells what is left over
  // A daemon thread that is in a plan when the interpreter ends holds it to the last: nothing to warn a user of.
  nanobind::set_leak_warnings(false);
#endif
  m.doc() = "Compiled kernels of the native engine. Arguments are validated by the engine that calls them.";
  kerasish::bind_runtime(m);
  kerasish::bind_threefry(m);
  kerasish::bind_plan(m);
  kerasish::bind_matrix(m);
  kerasish::bind_tile(m);
  kerasish::bind_moving(m);
  kerasish::bind_indexing(m);
  kerasish::bind_windows(m);
  kerasish::bind_recurrent(m);
  kerasish::bind_ordering(m);
  kerasish::bind_attention(m);
}
