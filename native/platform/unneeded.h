// What libdtrace 2 needs beside it (see linux/) and the older ones don't: here it does nothing.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "shapes.h"

namespace dtc::platform {

// dtrace_work() does not wait, so there is nothing to be woken from.
class Wakeup {
 public:
  int set() const { return -1; }
  int event() const { return -1; }
  void Look() {}
  bool Join() { return false; }
  void Signal() {}
  void Clear() {}
};

// The kernel ends an enabling together with its consumer.
inline void RemoveLeftovers() {}
class Leave {
 public:
  void Look() {}
  void LookBeforeGo() {}
  void LookAfterGo() {}
  void TakeProbesAway(bool /*process_ends*/) const {}
};

// Their kernels wake nobody for a record.
class Buffers {
 public:
  void Look() {}
  bool Join(int /*epoll*/, int /*alarm*/) { return false; }
  bool Quiet() { return false; }
  bool Loud() { return true; }
  void Call() const {}
  void WaitUntilHalfFull(std::chrono::steady_clock::time_point /*until*/) const {}
  bool readable() const { return false; }
  template <typename Take>
  bool Read(Take /*take*/) {
    return false;
  }
};
// They are the kernel's, and copied out by libdtrace.
inline std::optional<Firing> ReadFiring(uint32_t /*cpu*/, const char* /*sample*/) { return std::nullopt; }

// Nothing was measured there.
class Priority {
 public:
  void Raise() {}
  void Lower() {}
};

// Nothing of the kind is known of theirs.
inline void EaseClose(void* /*library*/, dtrace_hdl_t* /*handle*/) {}

// Their D libraries fit their kernels.
inline bool HasSymbol(const std::string& /*name*/) { return true; }

// Their kernels count what they pass over as drops.
class Misses {
 public:
  void Look() {}
  void Join() {}
  uint64_t Count() const { return 0; }
  size_t programs() const { return 0; }
};

// dtrace_go() looks nothing up in its own process: BEGIN and END are the kernel's.
class ProcfsView {
 public:
  explicit ProcfsView(const std::string& /*library*/) {}
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// No host is built here: it would need to know its own place and whether it has more privileges than its starter.
inline bool HasRaisedPrivileges() { return true; }
inline std::string OwnExecutable() { return {}; }

// Of libdtrace 2 alone: it leaves a breakpoint behind in what it looks at.
class LoaderBreakpoint {
 public:
  explicit LoaderBreakpoint(pid_t /*pid*/) {}
  void Remove() const {}
};

// Processes are started and held on Linux alone: their ends are watched with pidfds, and no other system has been
// tried.
inline ProcessFailure NoProcesses() {
  return {"ERR_DTRACE_UNSUPPORTED", "processes are started and held on Linux alone in this version"};
}

class Keeper {
 public:
  static std::unique_ptr<Keeper> Start(const ProcessRequest& /*request*/, ProcessFailure* failure) {
    *failure = NoProcesses();
    return nullptr;
  }
  pid_t pid() const { return -1; }
  int Continue() { return 0; }
  void Release() {}
  ProcessEnd End() { return {}; }
};

class ProcessHandle {
 public:
  explicit ProcessHandle(pid_t /*pid*/) {}
  int descriptor() const { return -1; }
  ProcessEnd End() const { return {}; }
  int Signal(int /*signal*/) const { return 0; }
};

inline bool IsOwnChild(pid_t /*pid*/) { return false; }
inline std::optional<ProcessFailure> WhyNotHold(pid_t /*pid*/) { return NoProcesses(); }

// No system call is known here that does nothing and carries numbers.
inline bool SignalProbe(const uint64_t (&/*numbers*/)[4]) { return false; }

}  // namespace dtc::platform
