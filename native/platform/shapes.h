// What every system's header gives back. Knows no libdtrace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace dtc::platform {

// Where the addresses of a stack()'s or ustack()'s record are, in words, and whose they are.
struct StackHeader {
  size_t first;
  size_t end;
  bool user;
  uint32_t pid;
};

// What a kernel address belongs to.
struct KernelSymbol {
  std::string object;
  std::string name;  // empty where only the module is known
  uint64_t start;
};

// What libdtrace has of one key of an aggregation.
struct AggregationEntry {
  const char* name;  // without its @
  uint32_t id;
  const char* action;   // count, sum, …
  uint64_t signature;   // the arguments of lquantize() and llquantize(), as libdtrace packs them
  uint64_t normal;      // what normalize() said
  uint64_t generation;  // another one after each clear()
  bool printed;         // by a printa()
  int keys;
  const char* key;  // where DescribeAggregationKey's offsets begin
  size_t key_size;
  char* value;
  size_t value_size;
};

}  // namespace dtc::platform
