#include "leave.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
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

// The names of this process's entries. Lines are "p:dt_123_dtrace/BEGIN /path:0x123", or "r8:…" for a return.
std::vector<std::string> OwnProbes(const char* events) {
  std::vector<std::string> found;
  const File file(std::fopen(events, "re"), std::fclose);
  if (!file) return found;
  const std::string prefix = "dt_" + std::to_string(getpid()) + "_";
  char line[1024];
  while (std::fgets(line, sizeof line, file.get()) != nullptr) {
    const char* colon = std::strchr(line, ':');
    if (colon == nullptr || std::strncmp(colon + 1, prefix.c_str(), prefix.size()) != 0) continue;
    found.emplace_back(colon + 1, std::strcspn(colon + 1, " \n"));
  }
  return found;
}

void Remove(const char* events) {
  // The kernel lets go of a closed event a little later; until then it refuses to remove the probe.
  for (int i = 0; i < kAttempts; i++) {
    const std::vector<std::string> probes = OwnProbes(events);
    if (probes.empty()) return;
    if (i > 0) std::this_thread::sleep_for(kPause);
    for (const std::string& probe : probes) {
      const int file = open(events, O_WRONLY | O_APPEND | O_CLOEXEC);
      if (file < 0) return;
      const std::string removal = "-:" + probe + "\n";
      [[maybe_unused]] const ssize_t written = write(file, removal.c_str(), removal.size());
      close(file);
    }
  }
}

}  // namespace

void Leave::Look() { others_ = DescriptorsOf(kPerfEvent); }

void Leave::TakeProbesAway() const {
  for (const int descriptor : DescriptorsOf(kPerfEvent)) {
    if (others_.count(descriptor) == 0) close(descriptor);
  }
  for (const char* events : kEventFiles) Remove(events);
}

}  // namespace dtc::platform
