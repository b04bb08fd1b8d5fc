// What libdtrace 2 needs beside it (see linux/) and the older ones don't: here it does nothing.
#pragma once

#include <cstdint>
#include <string>

namespace dtc::platform {

// dtrace_work() does not wait, so there is nothing to be woken from.
class Wakeup {
 public:
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
  void TakeProbesAway() const {}
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

// No system call is known here that does nothing and carries numbers.
inline bool SignalProbe(const uint64_t (&/*numbers*/)[4]) { return false; }

}  // namespace dtc::platform
