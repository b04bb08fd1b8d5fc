#include "pid.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace dtc::host {
namespace {

thread_local pid_t shown = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): what getpid() has

}  // namespace

void ShowPid(pid_t pid) { shown = pid; }

}  // namespace dtc::host

// Visible to libdtrace: see the linker's -rdynamic in binding.gyp.
extern "C" __attribute__((visibility("default"))) pid_t getpid() noexcept {
  return dtc::host::shown != 0 ? dtc::host::shown : static_cast<pid_t>(syscall(SYS_getpid));
}
