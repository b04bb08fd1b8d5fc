// Who calls whom: how deep each firing is below the entries that have not returned yet, by libdtrace's rules.
// Pure C++: knows neither libdtrace nor N-API, so that it is unit-tested alone.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

namespace dtc {

// The numbers are the wire's: lib/record/decoder.ts has the same ones.
enum class Flow : uint8_t { kNone = 0, kEntry = 1, kReturn = 2 };

// By the probe's name: "entry", "return", and what ends in "-entry" or "-return".
Flow FlowOf(std::string_view name);

struct FlowPlace {
  Flow flow = Flow::kNone;
  uint32_t depth = 0;
};

// libdtrace counts within one look into the buffers and begins anew with the next one (dt_consume_cpu); here the depth
// of each CPU is kept.
class FlowDepths {
 public:
  FlowPlace Place(uint32_t cpu, Flow flow, uint32_t probe, uint32_t statement);

 private:
  struct Last {
    uint32_t depth = 0;
    uint32_t probe = UINT32_MAX;
    uint32_t statement = UINT32_MAX;
  };
  std::unordered_map<uint32_t, Last> cpus_;
};

}  // namespace dtc
