// Firings that the kernel passed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace dtc::platform {

// The kernel does not run a probe's BPF program while the same one, or for most probes any one, has been interrupted on
// the same CPU (bpf_prog_active, prog->active), and counts that: recursion_misses in struct bpf_prog_info, Linux 5.12.
// libdtrace doesn't look, and closes its programs' descriptors, so they are found by what they are attached to.
class Misses {
 public:
  Misses() = default;
  ~Misses();
  Misses(const Misses&) = delete;
  Misses& operator=(const Misses&) = delete;

  // Before dtrace_go(): takes note of what is there already, so that nobody else's is taken for a probe's.
  void Look();
  // After dtrace_go(). What the kernel does not tell, since it is too old or the privilege lacks, is not counted.
  void Join();
  // All since Join().
  uint64_t Count() const;
  // Of programs that are asked.
  size_t programs() const { return programs_.size(); }

 private:
  std::set<int> others_;
  std::vector<int> programs_;
};

}  // namespace dtc::platform
