// The one thread pool of the process, shared by every kernel.
//
// * Size: KERASISH_NUM_THREADS if set, else the number of CPUs this process may use (affinity mask, cgroup quota).
// * Threads start on the first parallel call, never at import, and live as long as the process.
// * After fork() the child begins with a fresh pool; the parent's threads do not exist there.
// * A call made while the pool is busy (another Python thread, or from inside a kernel) runs on its caller.
// * Workers help, nobody waits for them to come: a call whose workers are late (a busy machine) is done by its caller.
// * Workers sleep, but stay awake for a while after a parallel call, longer between those of a PoolSession.
#pragma once

#include <cstddef>
#include <type_traits>

namespace kerasish {

// How many threads a large kernel uses, the caller's included. At least 1.
// Throws std::invalid_argument when KERASISH_NUM_THREADS is not a positive integer.
int num_threads();

// While one exists, a worker that has run out of work looks out for more for up to 200 µs before it sleeps, else for up
// to 50, so that many short kernels in a row start at once. Sessions may overlap; constructing one wakes nobody.
class PoolSession {
 public:
  PoolSession();
  ~PoolSession();
  PoolSession(const PoolSession&) = delete;
  PoolSession& operator=(const PoolSession&) = delete;

 private:
  void* pool_;
};

// While one exists, parallel calls of its thread run on that thread alone: for work that is done before a worker wakes.
class CallerAlone {
 public:
  explicit CallerAlone(bool active);
  ~CallerAlone();
  CallerAlone(const CallerAlone&) = delete;
  CallerAlone& operator=(const CallerAlone&) = delete;

 private:
  bool before_;
};

namespace detail {
using RangeFunction = void (*)(void* context, std::size_t begin, std::size_t end);
void parallel_ranges(std::size_t n, std::size_t grain, RangeFunction function, void* context);
}  // namespace detail

// Calls body(begin, end) over disjoint ranges that cover [0, n); ranges start at multiples of `grain`
// and hold at least `grain` items (the last may be shorter). Equal n and grain give a thread the same part of [0, n)
// again where it can, so that one kernel's result is in the cache of the thread that reads it next. The body must not
// throw: kernels check their arguments first.
template <typename Body>
void parallel_for(std::size_t n, std::size_t grain, Body&& body) {
  using Callable = std::remove_reference_t<Body>;
  detail::parallel_ranges(
      n, grain,
      [](void* context, std::size_t begin, std::size_t end) {
        (*static_cast<Callable*>(context))(begin, end);
      },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace kerasish
