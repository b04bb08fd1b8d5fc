// Aggregations: what the kernel has added up, as of now; in the library's own orders; cleared on request.
// Belongs to the DTrace thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "aggregation_rows.h"
#include "libdtrace.h"
#include "message.h"
#include "symbols.h"

namespace dtc {

// The numbers are the wire's: lib/aggregation/request.ts has the same list.
enum class AggregationOrder : uint8_t {
  kLibrary = 0,  // as the options aggsortkey, aggsortrev, aggsortpos and aggsortkeypos say
  kKey = 1,      // variable by variable, by key
  kValue = 2,
  kKeyAcross = 3,  // all variables together, by key
  kValueAcross = 4,
};

// What becomes of the values that a snapshot has shown. The numbers are the wire's.
enum class AfterSnapshot : uint8_t {
  kKeep = 0,
  kClear = 1,  // they begin anew, keys stay: as clear()
  kTrunc = 2,  // keys go, too: as trunc()
};

struct AggregationRequest {
  std::vector<std::string> names;  // with their @; none: all
  bool joined = false;             // one row for each key, with the values of all names
  AggregationOrder order = AggregationOrder::kLibrary;
  bool reverse = false;
  uint32_t position = 0;  // joined: whose values order them
  AfterSnapshot after = AfterSnapshot::kKeep;
};

class Aggregations {
 public:
  Aggregations(const Library& library, dtrace_hdl_t* handle, Symbols* symbols)
      : library_(library), handle_(handle), symbols_(symbols), cpus_(platform::CpuLimit()) {}

  Result Snapshot(const AggregationRequest& request);

  // Before libdtrace goes through a firing that does something with aggregations, so that it does so to what they hold
  // now; and after it. False where libdtrace has an error.
  bool BeginFiring();
  bool EndFiring();
  // In such a firing: what its printa() prints, as a record's bytes: the length of the JSON as a word, padded to eight
  // bytes, the JSON, likewise, and the batch.
  bool Print(const std::vector<uint32_t>& variables, std::vector<char>* bytes) const;

 private:
  // What was cleared of a key: the kernel adds up as before, and this comes off.
  struct Cleared {
    uint64_t generation = 0;
    std::vector<char> value;
    std::vector<char> per_cpu;
  };

  bool Refresh();
  void TakeOffCleared(const dtrace_aggdata_t& data);
  bool Walk(const AggregationRequest& request, AggregationRows* rows) const;
  bool WalkInLibraryOrder(const AggregationRequest& request, AggregationRows* rows) const;
  bool WalkJoined(const AggregationRequest& request, AggregationRows* rows) const;
  bool WalkJoined(std::vector<platform::AggregationVariable> variables, AggregationRows* rows) const;
  bool Clear(const AggregationRequest& request);
  bool VariablesThatHoldKeys(std::set<uint32_t>* variables) const;
  int ClearOne(const dtrace_aggdata_t& data, AfterSnapshot how);

  const Library& library_;
  dtrace_hdl_t* handle_;
  Symbols* symbols_;
  const size_t cpus_;
  std::unordered_map<std::string, Cleared> cleared_;  // by key, which begins with the variable
  Epochs epochs_;
  std::set<uint32_t> before_firing_;  // variables that had keys
};

}  // namespace dtc
