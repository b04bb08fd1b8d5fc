#include "buffers.h"

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <utility>

#include "cpus.h"
#include "descriptors.h"

namespace dtc::platform {
namespace {

constexpr int64_t kLongestWait = 60'000;  // milliseconds

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

File OpenInfo(int descriptor) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/fdinfo/%d", descriptor);
  return {std::fopen(path, "re"), std::fclose};
}

// proc(5): fdinfo of a BPF map has a line "map_type: N".
bool IsPerfEventArray(int map) {
  const File file = OpenInfo(map);
  char line[256];
  while (file && std::fgets(line, sizeof line, file.get()) != nullptr) {
    unsigned type = 0;
    if (std::sscanf(line, "map_type: %u", &type) == 1) return type == BPF_MAP_TYPE_PERF_EVENT_ARRAY;
  }
  return false;
}

// As libdtrace's (dt_peb.c), but for the wake-up: with a watermark it is the buffer's, which is half of it.
Descriptor OpenQuietEvent(uint32_t cpu) {
  perf_event_attr attributes = {};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_BPF_OUTPUT;
  attributes.size = sizeof attributes;
  attributes.sample_type = PERF_SAMPLE_RAW;
  attributes.sample_period = 1;  // NOLINT(cppcoreguidelines-pro-type-union-access): as the kernel declares it
  attributes.watermark = 1;
  return Descriptor(
      static_cast<int>(syscall(SYS_perf_event_open, &attributes, -1, static_cast<int>(cpu), -1, PERF_FLAG_FD_CLOEXEC)));
}

}  // namespace

bool Buffers::Quiet() {
  if (Point(&Buffer::quiet)) return true;
  Point(&Buffer::loud);
  return false;
}

void Buffers::Look() { others_ = DescriptorsOf(kBpfMap); }

bool Buffers::Join(int epoll, int alarm) {
  const std::vector<Watched> watched = WatchedBy(epoll);
  for (const int map : DescriptorsOf(kBpfMap)) {
    if (others_.count(map) != 0 || !IsPerfEventArray(map)) continue;
    if (map_ >= 0) return false;  // one of them is another thread's
    map_ = map;
  }
  call_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  alarms_ = Descriptor(epoll_create1(EPOLL_CLOEXEC));
  if (map_ < 0 || watched.empty() || !call_ || !alarms_ || !Double(watched)) return false;
  for (const Watched& one : watched) {
    if (!Register(epoll, one.data)) return false;
  }
  // Whoever asks a perf event whether it has data takes the answer away from all others (kernel: perf_poll()), and to
  // put it into a set is to ask: what BEGIN has recorded would not be looked at.
  const bool alarmed = Alarm(alarm) && std::all_of(buffers_.begin(), buffers_.end(),
                                                   [&](const Buffer& buffer) { return Alarm(buffer.loud); });
  Call();
  if (alarmed) MapRings();
  return alarmed;
}

// proc(5): fdinfo of an epoll descriptor has a line "tfd: N events: X data: X …" for each descriptor in the set.
std::vector<Buffers::Watched> Buffers::WatchedBy(int epoll) {
  std::vector<Watched> found;
  const File file = OpenInfo(epoll);
  char line[256];
  while (file && std::fgets(line, sizeof line, file.get()) != nullptr) {
    Watched watched = {};
    const int read = std::sscanf(line, "tfd: %d events: %*x data: %" SCNx64, &watched.event, &watched.data);
    if (read == 2 && IsDescriptorOf(watched.event, kPerfEvent)) found.push_back(watched);
  }
  return found;
}

// Which CPU a perf event is of, nothing tells; but the kernel lets only one of the same CPU write into its buffer.
bool Buffers::Double(std::vector<Watched> watched) {
  for (uint32_t cpu = 0; cpu < CpuLimit() && !watched.empty(); cpu++) {
    Descriptor quiet = OpenQuietEvent(cpu);
    if (!quiet) continue;  // a CPU that is offline
    const auto loud = std::find_if(watched.begin(), watched.end(), [&](const Watched& one) {
      return ioctl(quiet.get(), PERF_EVENT_IOC_SET_OUTPUT, one.event) == 0;
    });
    if (loud == watched.end()) continue;
    buffers_.push_back({cpu, loud->event, quiet.get()});
    owned_.push_back(std::move(quiet));
    watched.erase(loud);
  }
  return watched.empty();
}

void Buffers::MapRings() {
  size_t size = 0;
  for (const Buffer& buffer : buffers_) {
    Ring ring(buffer.loud, &size);
    if (!ring) {
      rings_.clear();
      return;
    }
    rings_.push_back(std::move(ring));
  }
}

bool Buffers::Alarm(int descriptor) {
  epoll_event event = {};
  event.events = EPOLLIN;
  return epoll_ctl(alarms_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

// A descriptor can be in a set once, and copies of it are others. Ready once for each Call(): EPOLLET.
bool Buffers::Register(int epoll, uint64_t data) {
  Descriptor copy(dup(call_.get()));
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = data;
  if (!copy || epoll_ctl(epoll, EPOLL_CTL_ADD, copy.get(), &event) != 0) return false;
  owned_.push_back(std::move(copy));
  return true;
}

// NOLINTBEGIN(cppcoreguidelines-pro-type-union-access): bpf(2) takes a union
bool Buffers::Point(int Buffer::*event) {
  const auto failures = std::count_if(buffers_.begin(), buffers_.end(), [&](const Buffer& buffer) {
    bpf_attr attributes = {};
    attributes.map_fd = static_cast<uint32_t>(map_);
    attributes.key = reinterpret_cast<uint64_t>(&buffer.cpu);
    attributes.value = reinterpret_cast<uint64_t>(&(buffer.*event));
    return syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attributes, sizeof attributes) != 0;
  });
  return failures == 0;
}
// NOLINTEND(cppcoreguidelines-pro-type-union-access)

void Buffers::Call() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(call_.get(), &one, sizeof one);
}

void Buffers::WaitUntilHalfFull(std::chrono::steady_clock::time_point until) const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
  epoll_event event = {};
  if (left > 0) epoll_wait(alarms_.get(), &event, 1, static_cast<int>(std::min<int64_t>(left, kLongestWait)));
}

}  // namespace dtc::platform
