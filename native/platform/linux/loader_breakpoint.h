// Takes away the breakpoint that libdtrace sets in the dynamic linker of a process that it holds.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>

#include "descriptor.h"

namespace dtc::platform {

// libdtrace wants to know when a process loads a library, so it writes a breakpoint over the function that the dynamic
// linker calls then (r_brk of <link.h>), in each process that it holds, also in those it only looks at for the names of
// a ustack(). Should the consumer be killed, nobody is there to handle it: the process dies of SIGTRAP at its next
// dlopen(). A process must not pay so for having been looked at: the breakpoint goes at once. libdtrace learns of no
// more libraries then.
//
// Made before libdtrace takes hold of the process; Remove() after that. Where the place isn't found nothing is done.
class LoaderBreakpoint {
 public:
  explicit LoaderBreakpoint(pid_t pid);
  void Remove() const;

 private:
  uint64_t Find(pid_t pid) const;
  template <typename Value>
  bool Read(uint64_t address, Value* value) const;

  Descriptor memory_;
  uint64_t address_ = 0;
  // As long as the longest breakpoint.
  std::array<unsigned char, 4> original_ = {};
};

}  // namespace dtc::platform
