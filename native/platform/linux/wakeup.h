// Wakes the DTrace thread out of dtrace_work().
#pragma once

#include <atomic>
#include <set>

namespace dtc::platform {

// libdtrace 2 waits for data in an epoll set of its own for up to a second and offers no way to be interrupted.
// An event descriptor of ours, added to that set, is one: libdtrace skips entries without a buffer.
class Wakeup {
 public:
  Wakeup();
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  // Before dtrace_go(): takes note of the epoll sets that are there already, so that nobody else's is taken for it.
  void Look();
  // After dtrace_go(): finds libdtrace's epoll set among the process's descriptors (a new one that holds perf events)
  // and joins it. False where there is none: then the caller must not let dtrace_work() wait.
  bool Join();
  // libdtrace's epoll set, once it was joined, and what is in it for Signal().
  int set() const { return set_; }
  int event() const { return event_; }
  // Any thread.
  void Signal();
  // DTrace thread, before it looks at what it was woken for.
  void Clear();

 private:
  int event_ = -1;
  int set_ = -1;
  std::atomic<bool> signalled_{false};
  std::set<int> others_;
};

}  // namespace dtc::platform
