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

}  // namespace dtc::platform
