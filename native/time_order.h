// Firings that wait for their turn, so that those of several CPUs come in the order of their time.
// Pure C++: knows neither libdtrace nor N-API, so that it is unit-tested alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "flow.h"

namespace dtc {

struct Field;
struct Source;

// What a printa() prints.
struct HeldRows {
  const Field* field;
  std::vector<char> bytes;
};

// A firing, as libdtrace gave it.
struct HeldFiring {
  uint64_t time;  // nanoseconds, of the clock of D's `timestamp`
  const Source* source;
  uint32_t cpu;
  FlowPlace flow;
  std::string data;
  std::string text = {};
  std::vector<HeldRows> rows = {};
};

class TimeOrder {
 public:
  bool empty() const { return held_.empty(); }
  void Add(HeldFiring firing) { held_.push_back(std::move(firing)); }
  HeldFiring& last() { return held_.back(); }

  // Passes on, in order, all that happened by `until`. What has the same time stays as it came.
  template <typename Take>
  void Release(uint64_t until, Take take) {
    const auto earlier = [](const HeldFiring& a, const HeldFiring& b) { return a.time < b.time; };
    std::stable_sort(held_.begin(), held_.end(), earlier);
    const auto end = std::upper_bound(held_.begin(), held_.end(), until,
                                      [](uint64_t time, const HeldFiring& firing) { return time < firing.time; });
    for (auto firing = held_.begin(); firing != end; ++firing) take(*firing);
    held_.erase(held_.begin(), end);
  }

 private:
  std::vector<HeldFiring> held_;
};

}  // namespace dtc
