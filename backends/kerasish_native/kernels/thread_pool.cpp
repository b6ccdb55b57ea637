#include "thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "cpu_limits.hpp"

#if !defined(_WIN32)
#include <pthread.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace kerasish {
namespace {

constexpr int max_threads = 256;
constexpr int looks_between_clocks = 64;  // about 3 µs: the clock is read, and the session's end seen, so often
constexpr std::chrono::microseconds idle_in_session{200};
constexpr std::chrono::microseconds idle_between_sessions{50};  // waking a worker costs as much
constexpr std::chrono::microseconds caller_patience{50};  // for workers inside a range, before the caller sleeps

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
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

// A part of [0, n): one thread's own, from which others take when theirs is done.
struct alignas(64) Lane {
  std::atomic<std::size_t> next{0};
  std::size_t end = 0;
};

thread_local bool inside_pool = false;

// Keeps workers off the CPU of the thread that wakes them. Linux may let a thread go on where it slept, behind its waker,
// for milliseconds while another CPU is idle.
class Places {
 public:
#if defined(__linux__)
  void add(std::thread& worker) {
    if (workers_.empty()) sched_getaffinity(0, sizeof allowed_, &allowed_);
    workers_.push_back(worker.native_handle());
  }

  void avoid_caller() {
    const int cpu = sched_getcpu();
    if (cpu < 0 || cpu == avoided_ || !CPU_ISSET(cpu, &allowed_)) return;
    avoided_ = cpu;
    cpu_set_t others = allowed_;
    CPU_CLR(cpu, &others);
    if (static_cast<std::size_t>(CPU_COUNT(&others)) < workers_.size()) return;
    for (const pthread_t worker : workers_) pthread_setaffinity_np(worker, sizeof others, &others);
  }

 private:
  cpu_set_t allowed_{};
  std::vector<pthread_t> workers_;
  int avoided_ = -1;
#else
  void add(std::thread&) {}
  void avoid_caller() {}
#endif
};

// The state of the job at hand, in one word: who may still join it and who is at work on it. The job's own fields are
// written only while nobody is, and read only between joining and leaving.
namespace ticket {
constexpr std::uint64_t active_one = 1;                       // bits 0..14: workers at work
constexpr std::uint64_t place_one = std::uint64_t{1} << 15;   // bits 15..29: workers that may still join
constexpr std::uint64_t caller_sleeps = std::uint64_t{1} << 30;
constexpr std::uint64_t number_one = std::uint64_t{1} << 32;  // bits 32..63: the job's number
constexpr std::uint64_t field = 0x7fff;

std::uint64_t active(std::uint64_t word) { return word & field; }
std::uint64_t places(std::uint64_t word) { return word / place_one & field; }
std::uint64_t number(std::uint64_t word) { return word / number_one; }
std::uint64_t closed(std::uint64_t word) { return word & ~(field * place_one); }
}  // namespace ticket

class Pool {
 public:
  // Returns false, having done nothing, when another thread is using the pool or there are no workers.
  bool try_run(detail::RangeFunction function, void* context, std::size_t n, std::size_t grain, std::size_t lanes) {
    std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
    if (!turn.owns_lock()) return false;
    start();
    if (workers_ == 0) return false;
    lanes = std::min<std::size_t>(lanes, static_cast<std::size_t>(workers_) + 1);
    prepare(function, context, n, grain, lanes);
    const std::uint64_t next = ticket::number(ticket_.load(std::memory_order_relaxed)) + 1;
    ticket_.store(next * ticket::number_one + (lanes - 1) * ticket::place_one, std::memory_order_seq_cst);
    wake(static_cast<int>(lanes - 1));
    inside_pool = true;
    drain(0);
    inside_pool = false;
    finish();
    return true;
  }

  void enter_session() { sessions_.fetch_add(1, std::memory_order_relaxed); }
  void leave_session() { sessions_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  // Threads are detached and the pool is never destroyed: nothing to join when the interpreter exits.
  void start() {
    if (started_) return;
    started_ = true;
    for (int i = 1; i < num_threads(); ++i) {
      try {
        std::thread worker([this, i] { work(static_cast<std::size_t>(i)); });
        places_.add(worker);
        worker.detach();
        ++workers_;
      } catch (const std::system_error&) {
        return;  // The system gives no more threads: run on those it gave.
      }
    }
  }

  void prepare(detail::RangeFunction function, void* context, std::size_t n, std::size_t grain, std::size_t lanes) {
    function_ = function;
    context_ = context;
    lanes_ = lanes;
    const std::size_t grains = (n + grain - 1) / grain;
    // A few ranges per thread even out CPUs of unequal speed without paying for many hand-outs.
    range_ = grain * std::max<std::size_t>(1, grains / (lanes * 4));
    for (std::size_t i = 0; i < lanes; ++i) {
      lane_[i].next.store(grains * i / lanes * grain, std::memory_order_relaxed);
      lane_[i].end = std::min(n, grains * (i + 1) / lanes * grain);
    }
  }

  // The thread's own lane first, then what is left of the others'.
  void drain(std::size_t own) {
    for (std::size_t i = 0; i < lanes_; ++i) {
      Lane& lane = lane_[(own + i) % lanes_];
      while (lane.next.load(std::memory_order_relaxed) < lane.end) {
        const std::size_t begin = lane.next.fetch_add(range_, std::memory_order_relaxed);
        if (begin >= lane.end) break;
        function_(context_, begin, std::min(lane.end, begin + range_));
      }
    }
  }

  // Nobody joins any more; those who did finish the ranges they took.
  void finish() {
    std::uint64_t word = ticket_.load(std::memory_order_relaxed);
    while (!ticket_.compare_exchange_weak(word, ticket::closed(word), std::memory_order_acquire)) {
    }
    if (ticket::active(word) == 0) return;
    const auto start = std::chrono::steady_clock::now();
    do {
      for (int i = 0; i < looks_between_clocks; ++i) {
        if (ticket::active(ticket_.load(std::memory_order_acquire)) == 0) return;
        relax();
      }
    } while (std::chrono::steady_clock::now() - start < caller_patience);
    std::unique_lock<std::mutex> lock(mutex_);
    ticket_.fetch_or(ticket::caller_sleeps, std::memory_order_acq_rel);
    done_.wait(lock, [this] { return ticket::active(ticket_.load(std::memory_order_acquire)) == 0; });
  }

  void wake(int wanted) {
    if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
    places_.avoid_caller();
    int calls = 0;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      calls = std::min(wanted, sleepers_.load(std::memory_order_relaxed));
      sleepers_.fetch_sub(calls, std::memory_order_relaxed);
      calls_ += calls;
    }
    for (int i = 0; i < calls; ++i) wake_.notify_one();
  }

  void work(std::size_t own) {
    inside_pool = true;
    std::uint64_t last = 0;
    for (;;) {
      look_out(last);
      std::uint64_t word = ticket_.load(std::memory_order_acquire);
      if (!is_open(word, last)) continue;
      const std::uint64_t joined = word - ticket::place_one + ticket::active_one;
      if (!ticket_.compare_exchange_strong(word, joined, std::memory_order_acquire)) continue;
      last = ticket::number(word);
      drain(own % lanes_);
      word = ticket_.fetch_sub(ticket::active_one, std::memory_order_acq_rel);
      if (ticket::active(word) == 1 && (word & ticket::caller_sleeps) != 0) {
        std::lock_guard<std::mutex> lock(mutex_);  // orders this call after the caller's decision to sleep
        done_.notify_one();
      }
    }
  }

  static bool is_open(std::uint64_t word, std::uint64_t last) {
    return ticket::places(word) != 0 && ticket::number(word) != last;
  }

  std::chrono::microseconds patience() const {
    return sessions_.load(std::memory_order_relaxed) != 0 ? idle_in_session : idle_between_sessions;
  }

  // Returns when there may be a job other than number `last` to join.
  void look_out(std::uint64_t last) {
    const auto start = std::chrono::steady_clock::now();
    do {
      for (int i = 0; i < looks_between_clocks; ++i) {
        if (is_open(ticket_.load(std::memory_order_relaxed), last)) return;
        relax();
      }
    } while (std::chrono::steady_clock::now() - start < patience());
    std::unique_lock<std::mutex> lock(mutex_);
    // Either this look sees a new job, or its caller sees the sleeper: both orders are sequentially consistent.
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    if (is_open(ticket_.load(std::memory_order_seq_cst), last)) {
      sleepers_.fetch_sub(1, std::memory_order_relaxed);
      return;
    }
    wake_.wait(lock, [this] { return calls_ != 0; });
    --calls_;
  }

  // The job. Set by its caller, in turn_.
  detail::RangeFunction function_ = nullptr;
  void* context_ = nullptr;
  std::size_t lanes_ = 1;
  std::size_t range_ = 1;
  Lane lane_[max_threads];
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<int> sleepers_{0};  // written in mutex_
  std::atomic<int> sessions_{0};
  int calls_ = 0;  // sleepers asked to wake that have not yet; in mutex_
  std::mutex turn_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  Places places_;
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

PoolSession::PoolSession() : pool_(&pool()) { static_cast<Pool*>(pool_)->enter_session(); }
PoolSession::~PoolSession() { static_cast<Pool*>(pool_)->leave_session(); }

CallerAlone::CallerAlone(bool active) : before_(inside_pool) { inside_pool = before_ || active; }
CallerAlone::~CallerAlone() { inside_pool = before_; }

namespace detail {

void parallel_ranges(std::size_t n, std::size_t grain, RangeFunction function, void* context) {
  if (n == 0) return;
  grain = std::max<std::size_t>(grain, 1);
  const std::size_t grains = (n + grain - 1) / grain;
  if (grains > 1 && !inside_pool) {
    const std::size_t lanes = std::min(grains, static_cast<std::size_t>(num_threads()));
    if (lanes > 1 && pool().try_run(function, context, n, grain, lanes)) return;
  }
  function(context, 0, n);
}

}  // namespace detail
}  // namespace kerasish
