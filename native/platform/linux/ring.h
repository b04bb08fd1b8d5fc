// The buffer of one CPU, as the kernel fills it.
#pragma once

#include <linux/perf_event.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace dtc::platform {

// A perf event's buffer, mapped a second time beside libdtrace's own mapping of it: what is taken here is taken for
// both. Between two calls of dtrace_work(), that is, which keeps nothing of its own about how far it has read.
// perf_event_open(2) has the layout, and who may read what when.
class Ring {
 public:
  // With as many pages as the first mapping has, which are not told: `*size` is tried, if it is known from another
  // CPU's, else all that can be. Not mapped where the kernel does not want to.
  Ring(int event, size_t* size);
  ~Ring();
  Ring(Ring&& other) noexcept
      : page_(std::exchange(other.page_, nullptr)), mapped_(other.mapped_), whole_(std::move(other.whole_)) {}
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  Ring& operator=(Ring&&) = delete;

  explicit operator bool() const { return page_ != nullptr; }

  // Calls take(data) with each sample, which begins with its size, until there are no more or `take` returns false:
  // then that one is still there. Returns whether it got to the end.
  template <typename Take>
  bool Read(Take take) {
    const char* const base = reinterpret_cast<const char*>(page_) + page_->data_offset;
    const uint64_t size = page_->data_size;
    const uint64_t head = __atomic_load_n(&page_->data_head, __ATOMIC_ACQUIRE);
    uint64_t tail = page_->data_tail;
    uint64_t given_back = tail;
    bool taken = true;
    while (tail != head) {
      perf_event_header header = {};
      const uint64_t at = tail % size;
      std::memcpy(&header, base + at, sizeof header);  // 8 bytes, 8-aligned: never in two parts
      if (header.type != PERF_RECORD_LOST) {
        const char* const event = at + header.size <= size ? base + at : Whole(base, at, header.size, size);
        taken = header.type == PERF_RECORD_SAMPLE && IsWhole(event, header.size) && take(event + sizeof header);
        if (!taken) break;
      }
      tail += header.size;
      // The kernel gets its room back a little at a time: it may be waiting for it.
      if (tail - given_back < kGiveBack) continue;
      __atomic_store_n(&page_->data_tail, tail, __ATOMIC_RELEASE);
      given_back = tail;
    }
    __atomic_store_n(&page_->data_tail, tail, __ATOMIC_RELEASE);
    return taken;
  }

 private:
  static constexpr uint64_t kGiveBack = uint64_t{64} * 1024;

  // A raw sample is its size and as many bytes.
  static bool IsWhole(const char* event, uint32_t size) {
    uint32_t raw = 0;
    std::memcpy(&raw, event + sizeof(perf_event_header), sizeof raw);
    return sizeof(perf_event_header) + sizeof raw + raw == size;
  }
  // One that goes on at the buffer's start.
  const char* Whole(const char* base, uint64_t at, uint32_t length, uint64_t size);

  perf_event_mmap_page* page_ = nullptr;
  size_t mapped_ = 0;
  std::vector<char> whole_;
};

}  // namespace dtc::platform
