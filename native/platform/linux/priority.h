// The DTrace thread's claim to a processor while it traces.
#pragma once

namespace dtc::platform {

// Buffers fill while their thread waits for a processor, which is then all that records are lost by (measured:
// docs/performance.md). So it comes before the threads of usual priority, and whatever it starts does not inherit that
// (SCHED_RESET_ON_FORK, sched(7)). Nothing is changed where the thread may not (CAP_SYS_NICE), or where somebody has
// given it another priority than the usual one.
class Priority {
 public:
  // On the thread that it is about.
  void Raise();
  void Lower();

 private:
  bool raised_ = false;
};

}  // namespace dtc::platform
