#include "leave.h"

#ifdef __linux__

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

namespace dtc {
namespace {

// Where libdtrace 2 finds tracefs.
constexpr const char* kUprobeEvents = "/sys/kernel/debug/tracing/uprobe_events";

constexpr int kAttempts = 200;
constexpr std::chrono::milliseconds kPause(5);

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

// The names of this process's entries. Lines are "p:dt_123_dtrace/BEGIN /path:0x123".
std::vector<std::string> OwnUprobes() {
  std::vector<std::string> found;
  const File file(std::fopen(kUprobeEvents, "re"), std::fclose);
  if (!file) return found;
  const std::string prefix = "p:dt_" + std::to_string(getpid()) + "_";
  char line[1024];
  while (std::fgets(line, sizeof line, file.get()) != nullptr) {
    if (std::strncmp(line, prefix.c_str(), prefix.size()) != 0) continue;
    found.emplace_back(line + 2, std::strcspn(line + 2, " \n"));
  }
  return found;
}

}  // namespace

void Leave::Look() { others_ = DescriptorsOf(kPerfEvent); }

void Leave::TakeProbesAway() const {
  for (const int descriptor : DescriptorsOf(kPerfEvent)) {
    if (others_.count(descriptor) == 0) close(descriptor);
  }
  // The kernel lets go of a closed event a little later; until then it refuses to remove the uprobe.
  for (int i = 0; i < kAttempts; i++) {
    const std::vector<std::string> uprobes = OwnUprobes();
    if (uprobes.empty()) return;
    if (i > 0) std::this_thread::sleep_for(kPause);
    for (const std::string& uprobe : uprobes) {
      const int file = open(kUprobeEvents, O_WRONLY | O_APPEND | O_CLOEXEC);
      if (file < 0) return;
      const std::string removal = "-:" + uprobe + "\n";
      [[maybe_unused]] const ssize_t written = write(file, removal.c_str(), removal.size());
      close(file);
    }
  }
}

}  // namespace dtc

#else  // the older libdtrace leaves nothing behind: the kernel ends an enabling with its consumer

namespace dtc {

void Leave::Look() {}
void Leave::TakeProbesAway() const { return false; }

}  // namespace dtc

#endif
