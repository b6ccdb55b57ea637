// How many CPUs this process may use: its affinity mask and the CPU quota of its control group.
#pragma once

#include <string>

namespace kerasish {

// At least 1.
int allowed_cpus();

// The CPU quota of a control group (Linux), rounded up, or 0 where there is none. `membership` is the text of
// /proc/self/cgroup, `mount` the folder that control groups are mounted on. A group's quota holds for the groups in it.
int cgroup_cpus(const std::string& membership, const std::string& mount);

}  // namespace kerasish
