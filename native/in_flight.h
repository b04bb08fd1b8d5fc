// What has been sent and not yet taken by JavaScript. Shared between the threads.
#pragma once

#include <atomic>

namespace dtc {

struct InFlight {
  // When JavaScript has this many batches still to take, the buffers are left alone until it has caught up: what then
  // does not fit into the kernel's buffers is counted there, as drops. Memory stays bounded.
  static constexpr int kMostBatches = 64;
  // A clause can fail at every firing. When JavaScript has this many faults still to take, more are only counted.
  static constexpr int kMostFaults = 256;

  std::atomic<int> batches{0};
  std::atomic<int> faults{0};
};

}  // namespace dtc
