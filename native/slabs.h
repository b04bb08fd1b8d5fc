// Memory that JavaScript lends for batches, so that they are written once, where JavaScript reads them. Shared between
// the threads.
//
// A slab is filled from its start, batch after batch, and never used again: JavaScript's garbage collector has it when
// the last of its batches is. In what order slabs are used up is the order in which they were lent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace dtc {

// Where a batch is in a slab.
struct SlabPlace {
  uint32_t slab;  // its number
  uint32_t offset;
  char* data;
  size_t size;
};

class Slabs {
 public:
  // V8 collects the young every 16 MB of new objects, and takes for old what lives through two of that. What is old is
  // collected with everything, for 5 to 10 ms at a time: so a slab is filled, read and let go within less than one.
  static constexpr size_t kSize = size_t{256} * 1024;

  // The JavaScript thread. Numbers rise. `owner` keeps the memory where JavaScript may let go of it before the end of
  // the DTrace thread, as at the end of a worker.
  // NOLINTNEXTLINE(readability-non-const-parameter): it is written to, elsewhere
  void Lend(uint32_t number, char* data, std::shared_ptr<void> owner = nullptr) {
    const std::lock_guard<std::mutex> lock(mutex_);
    lent_.push_back({number, data, std::move(owner)});
  }

  // The DTrace thread. Nothing where no slab has room for it, as when JavaScript is late: then the batch needs memory
  // of its own.
  std::optional<SlabPlace> Take(size_t size) {
    if (size > kSize) return std::nullopt;
    if (current_.data == nullptr || kSize - used_ < size) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (lent_.empty()) return std::nullopt;
      current_ = std::move(lent_.front());
      lent_.pop_front();
      used_ = 0;
    }
    const SlabPlace place{current_.number, static_cast<uint32_t>(used_), current_.data + used_, size};
    used_ += (size + 7) & ~size_t{7};
    return place;
  }

 private:
  struct Slab {
    uint32_t number = 0;
    char* data = nullptr;
    std::shared_ptr<void> owner = nullptr;
  };

  std::mutex mutex_;
  std::deque<Slab> lent_;

  // The DTrace thread's own.
  Slab current_;
  size_t used_ = 0;
};

}  // namespace dtc
