#include "descriptor_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <utility>

namespace dtc {

DescriptorWatch::DescriptorWatch(std::function<void(int)> tell) : tell_(std::move(tell)) {
  if (pipe(wake_) == 0) {
    for (const int end : wake_) {
      fcntl(end, F_SETFD, FD_CLOEXEC);
      fcntl(end, F_SETFL, O_NONBLOCK);
    }
  }
  thread_ = std::thread(&DescriptorWatch::Run, this);
}

DescriptorWatch::~DescriptorWatch() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
  }
  Wake();
  thread_.join();
  for (const int end : wake_) {
    if (end >= 0) close(end);
  }
}

void DescriptorWatch::Add(int descriptor) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    watched_.insert(descriptor);
  }
  Wake();
}

void DescriptorWatch::Remove(int descriptor) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    watched_.erase(descriptor);
  }
  Wake();
}

void DescriptorWatch::Wake() const {
  // A full pipe is awake already.
  [[maybe_unused]] const ssize_t written = write(wake_[1], "", 1);
}

void DescriptorWatch::Run() {
  // Without a pipe nothing could wake it: then it looks once in a while.
  const int timeout = wake_[0] < 0 ? 100 : -1;
  for (;;) {
    std::vector<pollfd> waiting = {{wake_[0], POLLIN, 0}};
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (ended_) return;
      for (const int descriptor : watched_) waiting.push_back({descriptor, POLLIN, 0});
    }
    if (poll(waiting.data(), waiting.size(), timeout) <= 0) continue;
    char ignored[64];
    while (read(wake_[0], ignored, sizeof ignored) > 0) continue;
    for (size_t i = 1; i < waiting.size(); i++) {
      if (waiting[i].revents == 0) continue;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (watched_.erase(waiting[i].fd) == 0) continue;
      }
      tell_(waiting[i].fd);
    }
  }
}

}  // namespace dtc
