#include "thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif
#if !defined(_WIN32)
#include <pthread.h>
#endif
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace kerasish {
namespace {

constexpr int max_threads = 256;
// About 20 µs: long enough to catch the next kernel of the same step, short enough to leave the CPU alone.
constexpr int spins_before_sleep = 1000;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

int allowed_cpus() {
#if defined(__linux__)
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) return std::max(1, CPU_COUNT(&mask));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int requested_threads() {
  const char* text = std::getenv("KERASISH_NUM_THREADS");
  if (text == nullptr || *text == '\0') return std::min(allowed_cpus(), max_threads);
  char* end = nullptr;
  errno = 0;
  const long value = std::strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < 1) {
    throw std::invalid_argument("KERASISH_NUM_THREADS must be a positive integer; received '" +
                                std::string(text) + "'");
  }
  return static_cast<int>(std::min<long>(value, max_threads));
}

// One parallel call: workers and caller take ranges from `next` until none is left.
struct Job {
  detail::RangeFunction function;
  void* context;
  std::size_t n;
  std::size_t range;
  std::atomic<std::size_t> next{0};

  void drain() {
    for (;;) {
      const std::size_t begin = next.fetch_add(range, std::memory_order_relaxed);
      if (begin >= n) return;
      function(context, begin, std::min(n, begin + range));
    }
  }
};

thread_local bool inside_pool = false;

class Pool {
 public:
  // Returns false, having done nothing, when another thread is using the pool.
  bool try_run(Job& job) {
    std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
    if (!turn.owns_lock()) return false;
    start();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      running_.store(workers_, std::memory_order_relaxed);
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    inside_pool = true;
    job.drain();
    inside_pool = false;
    wait_for_workers();
    return true;
  }

 private:
  // Threads are detached and the pool is never destroyed: nothing to join when the interpreter exits.
  void start() {
    if (started_) return;
    started_ = true;
    for (int i = 1; i < num_threads(); ++i) {
      try {
        std::thread([this] { work(); }).detach();
        ++workers_;
      } catch (const std::system_error&) {
        return;  // The system gives no more threads: run on those it gave.
      }
    }
  }

  // Every worker reports back, late ones too, so that no worker can touch a job its caller has left.
  void wait_for_workers() {
    for (int i = 0; i < spins_before_sleep; ++i) {
      if (running_.load(std::memory_order_acquire) == 0) return;
      relax();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return running_.load(std::memory_order_acquire) == 0; });
  }

  void work() {
    inside_pool = true;
    unsigned long seen = 0;
    for (;;) {
      Job* job = next_job(seen);
      job->drain();
      if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        // The lock orders this notification after the caller's decision to sleep.
        std::lock_guard<std::mutex> lock(mutex_);
        done_.notify_one();
      }
    }
  }

  Job* next_job(unsigned long& seen) {
    for (int i = 0; i < spins_before_sleep; ++i) {
      if (generation_.load(std::memory_order_acquire) != seen) break;
      relax();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
    seen = generation_.load(std::memory_order_acquire);
    return job_;
  }

  std::mutex turn_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  Job* job_ = nullptr;
  std::atomic<unsigned long> generation_{0};
  std::atomic<int> running_{0};
  int workers_ = 0;
  bool started_ = false;
};

std::atomic<Pool*> current_pool{nullptr};

// In the child of a fork: the locks and threads of the parent's pool are of no use, so it is left behind.
[[maybe_unused]] void forget_pool() {
  current_pool.store(nullptr, std::memory_order_relaxed);
  inside_pool = false;
}

Pool& pool() {
  Pool* found = current_pool.load(std::memory_order_acquire);
  if (found != nullptr) return *found;
#if !defined(_WIN32)
  static const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
  (void)registered;
#endif
  Pool* fresh = new Pool;
  if (current_pool.compare_exchange_strong(found, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;  // Another thread was first; this one has started nothing yet.
  return *found;
}

}  // namespace

int num_threads() {
  static const int count = requested_threads();
  return count;
}

namespace detail {

void parallel_ranges(std::size_t n, std::size_t grain, RangeFunction function, void* context) {
  if (n == 0) return;
  grain = std::max<std::size_t>(grain, 1);
  const std::size_t grains = (n + grain - 1) / grain;
  const std::size_t threads = inside_pool ? 1 : static_cast<std::size_t>(num_threads());
  if (threads > 1 && grains > 1) {
    // A few ranges per thread evens out CPUs of unequal speed without paying for many hand-outs.
    const std::size_t range = grain * std::max<std::size_t>(1, grains / (threads * 4));
    Job job{function, context, n, range};
    if (pool().try_run(job)) return;
  }
  function(context, 0, n);
}

}  // namespace detail
}  // namespace kerasish
