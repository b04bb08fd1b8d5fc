// A thread that waits for descriptors to become readable.
#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace dtc {

class DescriptorWatch {
 public:
  // `tell` is called on the thread of the watch, and must not block. A descriptor is told of once; then it is watched
  // no longer.
  explicit DescriptorWatch(std::function<void(int)> tell);
  ~DescriptorWatch();
  DescriptorWatch(const DescriptorWatch&) = delete;
  DescriptorWatch& operator=(const DescriptorWatch&) = delete;

  void Add(int descriptor);
  // May be closed after this. What is being told at this moment is told all the same.
  void Remove(int descriptor);

 private:
  void Run();
  void Wake() const;

  const std::function<void(int)> tell_;
  int wake_[2] = {-1, -1};  // a pipe: read, write
  std::mutex mutex_;
  std::set<int> watched_;
  bool ended_ = false;
  std::thread thread_;  // last: starts when everything else is there
};

}  // namespace dtc
