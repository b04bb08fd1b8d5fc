// What the kernel tells of a process that isn't ours. Linux: pidfd_open(2), proc(5).
#pragma once

#include <sys/types.h>

#include <optional>

#include "../shapes.h"
#include "descriptor.h"

namespace dtc::platform {

// What wait(2) gave.
ProcessEnd EndOf(int status);

// A process that stays the one it was, whoever gets its number later.
class ProcessHandle {
 public:
  explicit ProcessHandle(pid_t pid);

  // Readable when the process has ended.
  int descriptor() const { return descriptor_.get(); }
  // How it ended. Known from Linux 6.15 on, once its parent has taken notice.
  ProcessEnd End() const;
  // 0 or an errno.
  int Signal(int signal) const;

 private:
  Descriptor descriptor_;
};

// libdtrace must not trace a child of this process: the program around the session, Node.js for one, waits for it too,
// takes the news of its stops from libdtrace, which then waits for ever, and believes that it has ended.
bool IsOwnChild(pid_t pid);

// Why libdtrace should not be asked to hold this process: it says "No such process" of all of these, or hangs.
std::optional<ProcessFailure> WhyNotHold(pid_t pid);

}  // namespace dtc::platform
