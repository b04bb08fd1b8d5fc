// The process that the host is.
#pragma once

#include <sys/auxv.h>
#include <unistd.h>

#include <climits>
#include <string>

namespace dtc::platform {

// Set-user-id, set-group-id, or file capabilities: the kernel says so, getauxval(3).
inline bool HasRaisedPrivileges() { return getauxval(AT_SECURE) != 0; }

inline std::string OwnExecutable() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  return length < 0 ? std::string() : std::string(path, static_cast<size_t>(length));
}

}  // namespace dtc::platform
