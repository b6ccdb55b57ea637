#include "cpu_limits.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace kerasish {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// "quota period" in microseconds; the quota is "max" or -1 where there is no limit.
int cpus_of(const std::string& limits) {
  std::istringstream words(limits);
  double quota = 0, period = 0;
  if (!(words >> quota >> period) || quota <= 0 || period <= 0) return 0;
  const double cpus = quota / period;
  return cpus > 1e6 ? 0 : std::max(1, static_cast<int>(cpus + 0.999));
}

int tighter(int one, int two) { return one == 0 ? two : two == 0 ? one : std::min(one, two); }

// The tightest of the quotas from `path` ("/a/b") up to the mount, read by `limits(folder)`. A container may see its
// own group as the mount, whatever its path outside.
template <typename Limits>
int along(const std::string& mount, std::string path, const Limits& limits) {
  int found = cpus_of(limits(mount));
  while (path.size() > 1) {
    found = tighter(found, cpus_of(limits(mount + path)));
    path.resize(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
  }
  return found;
}

bool names_cpu(const std::string& controllers) {
  std::istringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

}  // namespace

int cgroup_cpus(const std::string& membership, const std::string& mount) {
  int found = 0;
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {  // number:controllers:path
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) {  // version 2
      found = tighter(found, along(mount, path, [](const std::string& f) { return text_of(f + "/cpu.max"); }));
    } else if (names_cpu(controllers)) {  // version 1
      for (const std::string& folder : {mount + "/" + controllers, mount + "/cpu"}) {
        found = tighter(found, along(folder, path, [](const std::string& f) {
          return text_of(f + "/cpu.cfs_quota_us") + " " + text_of(f + "/cpu.cfs_period_us");
        }));
      }
    }
  }
  return found;
}

int allowed_cpus() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) count = CPU_COUNT(&mask);
  count = tighter(count, cgroup_cpus(text_of("/proc/self/cgroup"), "/sys/fs/cgroup"));
#endif
  return std::max(1, count);
}

}  // namespace kerasish
