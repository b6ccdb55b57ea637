// The interpreter's lock, given back while kernels run and taken again.
//
// Up to Python 3.13 a thread that asks for the lock once the interpreter ends, a daemon thread in a plan for one, is sent to
// pthread_exit; glibc then unwinds its stack, and C++ that has to stay in place (noexcept, catch (...)) aborts the process.
// Such a thread stands still here instead until the process is gone, which is what Python 3.14 makes of it.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <thread>

#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

namespace kerasish {

// Runs what may ask for the lock.
template <class Action>
void unless_ending(Action&& action) {
#if defined(__GLIBCXX__)
  try {
    action();
  } catch (const abi::__forced_unwind&) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
#else
  action();
#endif
}

// While it lives, other threads may run Python.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() {
    unless_ending([this] { PyEval_RestoreThread(state_); });
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace kerasish
