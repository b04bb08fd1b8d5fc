#include "ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace dtc::platform {

Ring::Ring(int event, size_t* size) {
  constexpr size_t kMostPages = size_t{1} << 24;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const auto map = [&](size_t length) {
    void* const mapped = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, event, 0);
    if (mapped == MAP_FAILED) return false;
    page_ = static_cast<perf_event_mmap_page*>(mapped);
    mapped_ = length;
    return true;
  };
  if (*size != 0) {
    map(*size);
    return;
  }
  // One page about the buffer, and a power of two for it: perf_event_open(2).
  for (size_t pages = 1; pages <= kMostPages; pages *= 2) {
    if (!map((pages + 1) * page)) continue;
    *size = mapped_;
    return;
  }
}

Ring::~Ring() {
  if (page_ != nullptr) munmap(page_, mapped_);
}

const char* Ring::Whole(const char* base, uint64_t at, uint32_t length, uint64_t size) {
  if (whole_.size() < length) whole_.resize(length);
  const size_t first = size - at;
  std::copy_n(base + at, first, whole_.data());
  std::copy_n(base, length - first, whole_.data() + first);
  return whole_.data();
}

}  // namespace dtc::platform
