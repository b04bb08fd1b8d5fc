// The kernel's buffers while records come fast: nobody is woken for each of them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <set>
#include <vector>

#include "descriptor.h"
#include "ring.h"

namespace dtc::platform {

// libdtrace 2 opens the perf event of each CPU's buffer with wakeup_events = 1: for every record the kernel raises an
// interrupt of its own (irq_work), in the middle of what is being traced. That costs the traced program some 10 µs, ten
// times what the probe itself does (measured: docs/performance.md). When a consumer is behind anyway, it gains nothing.
//
// So there is a second perf event for each CPU, which writes into the same buffer (PERF_EVENT_IOC_SET_OUTPUT,
// perf_event_open(2)) and wakes nobody, but for when the buffer is half full. Which of the two is written through is
// what libdtrace's BPF map of them says. While they are quiet the buffers must be called to be looked at: libdtrace
// looks at those that epoll gives it, and a descriptor that is always ready when asked is in its set for each of them,
// too.
//
// All of it by the process's own descriptors, found after dtrace_go(). Where one is not what is expected there is
// nothing to join, and all is as libdtrace has it.
class Buffers {
 public:
  // Before dtrace_go(): whose descriptors are others'.
  void Look();
  // After it, with libdtrace's epoll set, and a descriptor that ends every wait when it is readable. False where this
  // can't be had.
  bool Join(int epoll, int alarm);

  // From now on records wake nobody, or each one does. False where the kernel does not want to.
  bool Quiet();
  bool Loud() { return Point(&Buffer::loud); }
  // Has the next dtrace_work() look at all of them.
  void Call() const;
  // While they are quiet: until there is no more time to wait, for whatever reason.
  void WaitUntilHalfFull(std::chrono::steady_clock::time_point until) const;

  // Whether they can be read without libdtrace.
  bool readable() const { return !buffers_.empty() && rings_.size() == buffers_.size(); }
  // Calls take(cpu, sample) with what is in them, of each as far as it returns true: see Ring. Returns whether that was
  // everything.
  template <typename Take>
  bool Read(Take take) {
    bool everything = true;
    for (size_t i = 0; i < buffers_.size(); i++) {
      const uint32_t cpu = buffers_[i].cpu;
      everything &= rings_[i].Read([&](const char* sample) { return take(cpu, sample); });
    }
    return everything;
  }

 private:
  struct Buffer {
    uint32_t cpu;
    int loud;   // libdtrace's event
    int quiet;  // the one beside it
  };

  // One perf event of libdtrace's epoll set, and by what pointer it is known there.
  struct Watched {
    int event;
    uint64_t data;
  };

  static std::vector<Watched> WatchedBy(int epoll);
  bool Double(std::vector<Watched> watched);
  void MapRings();
  bool Alarm(int descriptor);
  bool Register(int epoll, uint64_t data);
  bool Point(int Buffer::*event);

  std::set<int> others_;  // BPF maps
  int map_ = -1;
  std::vector<Buffer> buffers_;
  std::vector<Ring> rings_;  // of each; none where one could not be mapped
  std::vector<Descriptor> owned_;
  Descriptor call_;
  Descriptor alarms_;  // an epoll set
};

}  // namespace dtc::platform
