// Bytes that are added at the end, and all taken away at once. What std::vector would do, without filling what is about
// to be written: that was a tenth of what packing a record costs.
// Pure C++: knows neither libdtrace nor N-API, so that it is unit-tested alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

namespace dtc {

class ByteBuffer {
 public:
  const char* data() const { return data_.get(); }
  char* at(size_t offset) { return data_.get() + offset; }
  const char* at(size_t offset) const { return data_.get() + offset; }
  size_t size() const { return size_; }

  // Room for so many bytes more, for the caller to write: there may be something in it.
  char* Extend(size_t count) {
    if (capacity_ - size_ < count) Grow(count);
    char* added = data_.get() + size_;
    size_ += count;
    return added;
  }

  void Append(const void* bytes, size_t count) {
    if (count > 0) std::memcpy(Extend(count), bytes, count);
  }

  // Up to a multiple of 8, with zeros.
  void Align() {
    const size_t gap = (8 - size_ % 8) % 8;
    if (gap > 0) std::memset(Extend(gap), 0, gap);
  }

  // Keeps the memory.
  void Clear() { size_ = 0; }

 private:
  static constexpr size_t kLeast = 4096;

  void Grow(size_t count) {
    const size_t capacity = std::max({size_ + count, 2 * capacity_, kLeast});
    // Zeroed, so that a gap between two fields never shows what had been in the memory before.
    auto grown =
        std::make_unique<char[]>(capacity);  // NOLINT(cppcoreguidelines-avoid-c-arrays,modernize-avoid-c-arrays)
    if (size_ > 0) std::memcpy(grown.get(), data_.get(), size_);
    data_ = std::move(grown);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> data_;  // NOLINT(cppcoreguidelines-avoid-c-arrays,modernize-avoid-c-arrays)
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace dtc
