// The thread pool by itself: a program without Python, so that a thread sanitizer sees all there is (`make tsan`).
//
// Every check runs many jobs of uneven ranges and looks at each item: done once, by one thread, before the call returns.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "thread_pool.hpp"

using kerasish::parallel_for;
using kerasish::PoolSession;

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

// One job of n items: each is raised by one; ranges obey the grain.
void raise_all(std::vector<int>& items, std::size_t grain) {
  const std::size_t n = items.size();
  parallel_for(n, grain, [&](std::size_t begin, std::size_t end) {
    require(begin % grain == 0 && begin < end && end <= n, "ranges start at multiples of the grain");
    require(end - begin >= grain || end == n, "only the last range is shorter than the grain");
    for (std::size_t i = begin; i < end; ++i) items[i] += 1;
  });
}

void many_jobs(int jobs) {
  for (std::size_t n : {1, 2, 3, 7, 64, 1000}) {
    for (std::size_t grain : {1, 3, 64}) {
      std::vector<int> items(n, 0);
      for (int i = 0; i < jobs; ++i) raise_all(items, grain);
      for (int value : items) require(value == jobs, "every item is done once a job");
    }
  }
}

void sessions() {
  const PoolSession outer;
  {
    const PoolSession inner;
    many_jobs(50);
  }
  many_jobs(50);
  std::this_thread::sleep_for(std::chrono::milliseconds(1));  // workers go to sleep in the midst of the session
  many_jobs(5);
}

void nested_calls() {
  std::vector<int> items(4096, 0);
  parallel_for(64, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      parallel_for(64, 1, [&](std::size_t b, std::size_t e) {
        for (std::size_t j = b; j < e; ++j) items[i * 64 + j] += 1;
      });
    }
  });
  for (int value : items) require(value == 1, "a nested call does all of its work");
}

void many_callers() {
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([] {
      const PoolSession session;
      many_jobs(20);
    });
  }
  for (std::thread& caller : callers) caller.join();
}

// A caller that finishes first sleeps until the slow range of another thread is done.
void slow_ranges() {
  std::vector<int> items(8, 0);
  const std::thread::id self = std::this_thread::get_id();
  parallel_for(8, 1, [&](std::size_t begin, std::size_t end) {
    if (std::this_thread::get_id() != self) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    for (std::size_t i = begin; i < end; ++i) items[i] = 1;
  });
  for (int value : items) require(value == 1, "the call returns after the last range");
}

void fork_child() {
  const pid_t child = fork();
  require(child >= 0, "fork");
  if (child == 0) {
    many_jobs(2);
    _exit(0);
  }
  int status = 0;
  require(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "the child of a fork has a pool of its own");
  many_jobs(2);
}

// Nanoseconds from a call to the arrival of a second thread, back to back within a session: the median.
double arrival() {
  const PoolSession session;
  std::vector<double> taken;
  for (int repeat = 0; repeat < 2001; ++repeat) {
    std::atomic<int> arrived{0};
    const auto start = std::chrono::steady_clock::now();
    parallel_for(2, 1, [&](std::size_t, std::size_t) {
      arrived.fetch_add(1);
      while (arrived.load() < 2 && std::chrono::steady_clock::now() - start < std::chrono::milliseconds(1)) {
      }
    });
    taken.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(taken.begin(), taken.end());
  return taken[taken.size() / 2];
}

}  // namespace

int main(int count, char** arguments) {
  many_jobs(20);
  sessions();
  nested_calls();
  for (int i = 0; i < 20; ++i) slow_ranges();
  many_callers();
#if !defined(__SANITIZE_THREAD__)  // threads after a fork are beyond the sanitizer
  fork_child();
#endif
  if (count > 1 && arguments[1][0] == 't') std::printf("a second thread arrives after %.0f ns\n", arrival());
  std::printf("the pool holds with %d threads\n", kerasish::num_threads());
  return 0;
}
