#include "wakeup.h"

#ifdef __linux__

#include <dirent.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace dtc {
namespace {

bool LeadsTo(int descriptor, const char* kind) {
  char path[64];
  char target[64];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(path, target, sizeof target - 1);
  if (length < 0) return false;
  target[length] = '\0';
  return std::strcmp(target, kind) == 0;
}

// Does this epoll set watch a perf event? proc(5): fdinfo of an epoll descriptor has a line "tfd: N …" for each
// descriptor in the set.
bool WatchesPerfEvents(int epoll) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/fdinfo/%d", epoll);
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path, "re"), std::fclose);
  if (!file) return false;
  char line[256];
  while (std::fgets(line, sizeof line, file.get()) != nullptr) {
    int watched = -1;
    if (std::sscanf(line, "tfd: %d", &watched) == 1 && LeadsTo(watched, "anon_inode:[perf_event]")) return true;
  }
  return false;
}

std::set<int> EpollSets() {
  std::set<int> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc/self/fd"), closedir);
  if (!directory) return found;
  while (const dirent* entry = readdir(directory.get())) {
    const int descriptor = std::atoi(entry->d_name);
    if (descriptor > 2 && LeadsTo(descriptor, "anon_inode:[eventpoll]")) found.insert(descriptor);
  }
  return found;
}

}  // namespace

Wakeup::Wakeup() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Wakeup::~Wakeup() {
  if (event_ >= 0) close(event_);
}

void Wakeup::Look() { others_ = EpollSets(); }

bool Wakeup::Join() {
  if (event_ < 0) return false;
  for (const int epoll : EpollSets()) {
    if (others_.count(epoll) != 0 || !WatchesPerfEvents(epoll)) continue;
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, event_, &event) == 0;
  }
  return false;
}

void Wakeup::Signal() {
  const uint64_t one = 1;
  // A full counter is awake already, and there is nobody to tell of anything else.
  [[maybe_unused]] const ssize_t written = write(event_, &one, sizeof one);
}

void Wakeup::Clear() {
  uint64_t count;
  [[maybe_unused]] const ssize_t was = read(event_, &count, sizeof count);
}

}  // namespace dtc

#else  // the older libdtrace does not wait for data by itself

namespace dtc {

Wakeup::Wakeup() = default;
Wakeup::~Wakeup() = default;
void Wakeup::Look() {}
bool Wakeup::Join() { return false; }
void Wakeup::Signal() {}
void Wakeup::Clear() {}

}  // namespace dtc

#endif
