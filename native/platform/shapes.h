// What every system's header gives back. Knows no libdtrace.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dtc::platform {

// Where the addresses of a stack()'s or ustack()'s record are, in words, and whose they are.
struct StackHeader {
  size_t first;
  size_t end;
  bool user;
  uint32_t pid;
};

// A clause that fired at a probe. Its data is as long as what the clause records.
struct Firing {
  uint32_t cpu;
  unsigned probe;
  unsigned statement;
  const char* data;
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

// A program to be started.
struct ProcessRequest {
  std::string file;                    // sought in PATH, unless it has a slash
  std::vector<std::string> arguments;  // after $0, which is the file
  std::string folder;                  // empty: the session's
  // Standard input, output and error: empty as the session has it, "<FILE", ">FILE", ">>FILE", or "&2".
  std::array<std::string, 3> stdio;
  std::optional<std::vector<std::string>> environment;  // "NAME=value"; else the session's
};

// How a process ended, as far as it is known.
struct ProcessEnd {
  std::optional<int> status;  // exit's
  std::optional<int> signal;  // what it was killed by
};

// Why a process can't be started or held: one of the codes of lib/errors.ts, and words.
struct ProcessFailure {
  const char* code = "ERR_DTRACE_PROCESS";
  std::string reason;
  int error = 0;
};

}  // namespace dtc::platform
