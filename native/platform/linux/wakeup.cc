#include "wakeup.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>

#include "descriptors.h"

namespace dtc::platform {
namespace {

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
    if (std::sscanf(line, "tfd: %d", &watched) == 1 && IsDescriptorOf(watched, kPerfEvent)) return true;
  }
  return false;
}

}  // namespace

Wakeup::Wakeup() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Wakeup::~Wakeup() {
  if (event_ >= 0) close(event_);
}

void Wakeup::Look() { others_ = DescriptorsOf(kEpollSet); }

bool Wakeup::Join() {
  if (event_ < 0) return false;
  for (const int epoll : DescriptorsOf(kEpollSet)) {
    if (others_.count(epoll) != 0 || !WatchesPerfEvents(epoll)) continue;
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    set_ = epoll;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, event_, &event) == 0;
  }
  return false;
}

void Wakeup::Signal() {
  const uint64_t one = 1;
  // A full counter is awake already, and there is nobody to tell of anything else.
  [[maybe_unused]] const ssize_t written = write(event_, &one, sizeof one);
  signalled_ = true;
}

void Wakeup::Clear() {
  // One that is cleared between the two lines of Signal() is cleared the next time: until then nothing waits.
  if (!signalled_.exchange(false)) return;
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t was = read(event_, &count, sizeof count);
}

}  // namespace dtc::platform
