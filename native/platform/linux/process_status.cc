#include "process_status.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

namespace dtc::platform {
namespace {

// <linux/pidfd.h> of Linux 6.15.
struct PidfdInfo {
  uint64_t mask;
  uint64_t cgroup;
  uint32_t ids[11];
  int32_t exit_code;
};
constexpr uint64_t kInfoExit = 1U << 3;
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);

// How long a process may have ended and not have been waited for, until its status is called unknown.
constexpr int kReapMilliseconds = 100;

struct Status {
  long group = 0;
  long parent = 0;
  long tracer = 0;
  bool has_memory = false;  // a thread of the kernel has none
};

std::optional<Status> ReadStatus(pid_t pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/status", pid);
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path, "re"), std::fclose);
  if (!file) return std::nullopt;
  Status status;
  char line[512];
  while (std::fgets(line, sizeof line, file.get()) != nullptr) {
    std::sscanf(line, "Tgid: %ld", &status.group);
    std::sscanf(line, "PPid: %ld", &status.parent);
    std::sscanf(line, "TracerPid: %ld", &status.tracer);
    status.has_memory = status.has_memory || std::strncmp(line, "VmSize:", 7) == 0;
  }
  return status;
}

}  // namespace

ProcessEnd EndOf(int status) {
  ProcessEnd end;
  if (WIFEXITED(status)) end.status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  return end;
}

ProcessHandle::ProcessHandle(pid_t pid) : descriptor_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

ProcessEnd ProcessHandle::End() const {
  pollfd reaped = {descriptor_.get(), 0, 0};
  poll(&reaped, 1, kReapMilliseconds);
  PidfdInfo info = {};
  info.mask = kInfoExit;
  if (ioctl(descriptor_.get(), kGetInfo, &info) != 0 || (info.mask & kInfoExit) == 0) return {};
  return EndOf(info.exit_code);
}

int ProcessHandle::Signal(int signal) const {
  return syscall(SYS_pidfd_send_signal, descriptor_.get(), signal, nullptr, 0) == 0 ? 0 : errno;
}

bool IsOwnChild(pid_t pid) {
  const auto status = ReadStatus(pid);
  return status && status->parent == getpid();
}

std::optional<ProcessFailure> WhyNotHold(pid_t pid) {
  const auto refuse = [](const char* code, std::string reason, int error = 0) {
    return ProcessFailure{code, std::move(reason), error};
  };
  if (pid == getpid())
    return refuse("ERR_DTRACE_ARGUMENT", "it is the consumer's own process, which can't stop itself");
  const auto status = ReadStatus(pid);
  if (!status) return refuse("ERR_DTRACE_ARGUMENT", "there is no such process", ESRCH);
  if (status->group != pid) {
    return refuse("ERR_DTRACE_ARGUMENT", "it is a thread of process " + std::to_string(status->group), ESRCH);
  }
  if (!status->has_memory) {
    return refuse("ERR_DTRACE_ARGUMENT", "it is a thread of the kernel, or has ended", ESRCH);
  }
  if (status->parent == getpid()) {
    return refuse("ERR_DTRACE_PROCESS",
                  "it is a child of the process in which the session runs, which waits for it as well: start it with "
                  "create(), or open the consumer with host: 'process'");
  }
  if (status->tracer != 0) {
    const std::string tracer = std::to_string(status->tracer);
    return refuse("ERR_DTRACE_PROCESS", "process or thread " + tracer + " traces it already, and only one can", EPERM);
  }
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/mem", pid);
  const Descriptor memory(open(path, O_RDWR | O_CLOEXEC));
  if (!memory) {
    if (errno == EACCES || errno == EPERM) {
      return refuse("ERR_DTRACE_PERMISSION", "it belongs to somebody else, and CAP_SYS_PTRACE is needed for that",
                    errno);
    }
    return refuse("ERR_DTRACE_PROCESS", std::string("its memory can't be opened: ") + std::strerror(errno), errno);
  }
  return std::nullopt;
}

}  // namespace dtc::platform
