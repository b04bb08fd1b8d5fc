#include "leave.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "descriptors.h"

namespace dtc::platform {
namespace {

// Where libdtrace 2 finds tracefs. The second one is for fbt, on kernels where that uses kprobes.
constexpr const char* kEventFiles[] = {"/sys/kernel/debug/tracing/uprobe_events",
                                       "/sys/kernel/debug/tracing/kprobe_events"};

constexpr int kAttempts = 200;
constexpr std::chrono::milliseconds kPause(5);

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

// The names of the entries whose consumer's process is one of those. Lines are "p:dt_123_dtrace/BEGIN /path:0x123", or
// "r8:…" for a return.
template <typename IsOne>
std::vector<std::string> ProbesOf(const char* events, IsOne is_one) {
  std::vector<std::string> found;
  const File file(std::fopen(events, "re"), std::fclose);
  if (!file) return found;
  char line[1024];
  while (std::fgets(line, sizeof line, file.get()) != nullptr) {
    const char* colon = std::strchr(line, ':');
    if (colon == nullptr || std::strncmp(colon, ":dt_", 4) != 0) continue;
    char* end = nullptr;
    const long pid = std::strtol(colon + 4, &end, 10);
    if (end == colon + 4 || *end != '_' || pid <= 0 || !is_one(static_cast<pid_t>(pid))) continue;
    found.emplace_back(colon + 1, std::strcspn(colon + 1, " \n"));
  }
  return found;
}

void Remove(const char* events, const std::string& probe) {
  const int file = open(events, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) return;
  const std::string removal = "-:" + probe + "\n";
  // One that is in use is refused by the kernel (EBUSY).
  [[maybe_unused]] const ssize_t written = write(file, removal.c_str(), removal.size());
  close(file);
}

void RemoveOwn(const char* events) {
  // The kernel lets go of a closed event a little later; until then it refuses to remove the probe.
  for (int i = 0; i < kAttempts; i++) {
    const std::vector<std::string> probes = ProbesOf(events, [](pid_t pid) { return pid == getpid(); });
    if (probes.empty()) return;
    if (i > 0) std::this_thread::sleep_for(kPause);
    for (const std::string& probe : probes) Remove(events, probe);
  }
}

// A consumer of this process's own number is dead, too: there is none in it yet.
bool IsDead(pid_t pid) { return pid == getpid() || (kill(pid, 0) != 0 && errno == ESRCH); }

}  // namespace

void RemoveLeftovers() {
  for (const char* events : kEventFiles) {
    for (const std::string& probe : ProbesOf(events, IsDead)) Remove(events, probe);
  }
}

void Leave::Look() { others_ = Attached(); }

void Leave::LookBeforeGo() { before_go_ = Attached(); }

void Leave::LookAfterGo() {
  for (const int descriptor : Attached()) {
    if (before_go_.count(descriptor) == 0) own_.insert(descriptor);
  }
}

void Leave::TakeProbesAway(bool process_ends) const {
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  for (const int descriptor : Attached()) {
    // Without a descriptor to put there, dtrace_close() would close what someone else has opened meanwhile.
    const bool is_own = process_ends ? others_.count(descriptor) == 0 : own_.count(descriptor) != 0;
    if (is_own && nothing >= 0) dup3(nothing, descriptor, O_CLOEXEC);
  }
  if (nothing >= 0) close(nothing);
  for (const char* events : kEventFiles) RemoveOwn(events);
}

}  // namespace dtc::platform
