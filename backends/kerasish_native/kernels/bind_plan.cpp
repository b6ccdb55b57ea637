// Plans: views, steps, programs. Step makers of the kernel families stand in the other bind_*.cpp files.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "bind.hpp"
#include "interpreter.hpp"
#include "plan/buffers.hpp"
#include "plan/program.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kerasish {
namespace {

// A step that Python runs: a kernel of reference/ on arrays that share the slots' memory.
class PythonStep final : public Step {
 public:
  explicit PythonStep(nb::object function) : function_(std::move(function)) {}
  ~PythonStep() override {
    nb::gil_scoped_acquire lock;
    function_.reset();
  }
  void run(Slots slots) const override {
    unless_ending([&] {
      nb::gil_scoped_acquire lock;
      unless_ending([&] { function_(reinterpret_cast<std::uintptr_t>(slots)); });
    });
  }

  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(function_.ptr());
    return 0;
  }
  void clear() { function_.reset(); }

 private:
  nb::object function_;
};

// An output and the arrays it was returned in before: one that nobody holds any more is written again, which saves the
// page faults of fresh memory.
struct Output {
  int slot;
  nb::object allocate;  // () -> array
  std::vector<nb::object> used;
  std::size_t next = 0;

  nb::object take() {
    for (nb::object& array : used) {
      if (Py_REFCNT(array.ptr()) == 1) return array;
    }
    nb::object fresh = allocate();
    constexpr std::size_t most = 3;
    if (used.size() < most) {
      used.push_back(fresh);
    } else {
      used[next++ % most] = fresh;
    }
    return fresh;
  }
};

class Runner {
 public:
  Runner(std::vector<int> inputs, std::vector<std::pair<int, nb::object>> constants,
         std::vector<std::pair<int, std::size_t>> arena, std::size_t arena_bytes,
         std::vector<std::pair<int, nb::object>> outputs, std::vector<std::shared_ptr<Step>> steps, int slots, bool alone)
      : program_(slots, std::move(arena), arena_bytes, std::move(steps), alone), inputs_(std::move(inputs)) {
    outer_.resize(static_cast<std::size_t>(slots), nullptr);
    for (auto& [slot, array] : constants) {
      outer_[static_cast<std::size_t>(slot)] = memory_of(array);
      constants_.push_back(array);
    }
    for (auto& [slot, allocate] : outputs) outputs_.push_back({slot, allocate, {}});
  }

  nb::list run(nb::list arrays) {
    std::vector<char*> outer = outer_;
    nb::list results = bind(arrays, outer);
    const Unlocked unlocked;
    program_.run(outer);
    return results;
  }

  std::vector<double> profile(nb::list arrays) {
    std::vector<char*> outer = outer_;
    std::vector<double> seconds;
    nb::list results = bind(arrays, outer);
    const Unlocked unlocked;
    program_.run(outer, &seconds);
    return seconds;
  }

  int traverse(visitproc visit, void* arg) const {
    for (const std::shared_ptr<Step>& step : program_.steps()) {
      const nb::object held = nb::find(step);
      Py_VISIT(held.ptr());
    }
    return 0;
  }

 private:
  // Notes where inputs lie and makes the results.
  nb::list bind(nb::list arrays, std::vector<char*>& outer) {
    if (arrays.size() != inputs_.size()) throw std::invalid_argument("a plan got another number of inputs than it has");
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      outer[static_cast<std::size_t>(inputs_[i])] = memory_of(arrays[i]);
    }
    nb::list results;
    for (Output& output : outputs_) {
      nb::object array = output.take();
      outer[static_cast<std::size_t>(output.slot)] = memory_of(array);
      results.append(array);
    }
    return results;
  }

  Program program_;
  std::vector<int> inputs_;
  std::vector<nb::object> constants_;
  std::vector<Output> outputs_;
  std::vector<char*> outer_;
};

// For Python's collector of cycles: a program holds steps, a step of Python a function and that, for a graph within a graph,
// another program. Unseen, each level would wait for a collection of its own.
int traverse_step(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  const auto* step = nb::inst_ready(self) ? dynamic_cast<PythonStep*>(nb::inst_ptr<Step>(self)) : nullptr;
  return step == nullptr ? 0 : step->traverse(visit, arg);
}
int clear_step(PyObject* self) {
  if (auto* step = dynamic_cast<PythonStep*>(nb::inst_ptr<Step>(self))) step->clear();
  return 0;
}
int traverse_program(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return nb::inst_ready(self) ? nb::inst_ptr<Runner>(self)->traverse(visit, arg) : 0;
}
PyType_Slot step_slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse_step)},
                            {Py_tp_clear, reinterpret_cast<void*>(clear_step)},
                            {0, nullptr}};
PyType_Slot program_slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse_program)}, {0, nullptr}};

}  // namespace

void bind_plan(nb::module_& m) {
  nb::dict numbers;
  const char* names[] = {"bool",  "uint8", "uint16", "uint32",  "uint64",   "int8",    "int16",
                         "int32", "int64", "float16", "bfloat16", "float32", "float64"};
  for (int i = 0; i < 13; ++i) numbers[names[i]] = i;
  m.attr("DTYPES") = numbers;
  nb::class_<View>(m, "View", "Part of a slot's memory seen as an array; strides and offset count elements.")
      .def(
          "__init__",
          [](View* self, int slot, int dtype, std::int64_t offset, std::vector<std::int64_t> shape,
             std::vector<std::int64_t> strides) {
            if (shape.size() != strides.size()) throw std::invalid_argument("a view needs a stride for each axis");
            new (self) View{slot, static_cast<Dtype>(dtype), offset, std::move(shape), std::move(strides)};
          },
          "slot"_a, "dtype"_a, "offset"_a, "shape"_a, "strides"_a);
  nb::class_<Step>(m, "Step", nb::type_slots(step_slots), "One kernel call with its operands bound.");
  m.def(
      "python_step", [](nb::object function) -> std::shared_ptr<Step> {
        return std::make_shared<PythonStep>(std::move(function));
      },
      "function"_a, "A step that calls function(slots): the address of an array of pointers, one for each slot.");
  nb::class_<Runner>(m, "Program", nb::type_slots(program_slots), "Steps and the memory they work on.")
      .def(nb::init<std::vector<int>, std::vector<std::pair<int, nb::object>>, std::vector<std::pair<int, std::size_t>>,
                    std::size_t, std::vector<std::pair<int, nb::object>>, std::vector<std::shared_ptr<Step>>, int,
                    bool>(),
           "inputs"_a, "constants"_a, "arena"_a, "arena_bytes"_a, "outputs"_a, "steps"_a, "slots"_a, "alone"_a = false)
      .def("run", &Runner::run, "arrays"_a, "Results for C-contiguous input arrays, in the order of the inputs.")
      .def("profile", &Runner::profile, "arrays"_a, "Seconds that each step of one run takes.");
}

}  // namespace kerasish
