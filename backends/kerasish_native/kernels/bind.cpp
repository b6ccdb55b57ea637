// The Python module `kerasish_native._kernels`: assembles what the bind_*.cpp files declare, nothing else.
#include "bind.hpp"

NB_MODULE(_kernels, m) {
  // Plans live as long as the functions they were compiled for, which modules keep until the interpreter is gone.
  nanobind::set_leak_warnings(false);
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
