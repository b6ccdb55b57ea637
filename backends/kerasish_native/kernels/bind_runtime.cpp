// What the module tells about the machine and the threads it uses.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind.hpp"
#include "cpu_limits.hpp"
#include "isa.hpp"
#include "thread_pool.hpp"

namespace nb = nanobind;

namespace kerasish {

void bind_runtime(nb::module_& m) {
  m.def(
      "cpu_features",
      [] {
        nb::dict result;
        result["isa"] = isa_name(isa());
        result["features"] = nb::cast(cpu_features());
        return result;
      },
      "The code path in use ('generic', 'avx2', 'avx512') and the features of this CPU.");
  m.def("num_threads", &num_threads, "Threads a large kernel uses, the caller's included.");
  m.def("cgroup_cpus", &cgroup_cpus, nb::arg("membership"), nb::arg("mount"),
        "The CPU quota in the text of /proc/self/cgroup, with control groups mounted on a folder; 0 where none.");
}

}  // namespace kerasish
