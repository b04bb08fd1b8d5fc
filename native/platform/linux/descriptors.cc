#include "descriptors.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace dtc::platform {

bool IsDescriptorOf(int descriptor, const char* kind) {
  char path[64];
  char target[64];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(path, target, sizeof target - 1);
  if (length < 0) return false;
  target[length] = '\0';
  return std::strcmp(target, kind) == 0;
}

std::set<int> DescriptorsOf(const char* kind) {
  std::set<int> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc/self/fd"), closedir);
  if (!directory) return found;
  while (const dirent* entry = readdir(directory.get())) {
    const int descriptor = std::atoi(entry->d_name);
    if (descriptor > 2 && IsDescriptorOf(descriptor, kind)) found.insert(descriptor);
  }
  return found;
}

std::set<int> Attached() {
  std::set<int> found = DescriptorsOf(kPerfEvent);
  found.merge(DescriptorsOf(kBpfLink));
  return found;
}

}  // namespace dtc::platform
