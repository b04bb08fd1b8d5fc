// What is particular to Oracle's libdtrace 2 (eBPF). Facts: LIBRARY names from Debian's and Oracle's packages,
// everything else from <dtrace.h> of libdtrace 2.0.
#pragma once

#include <dtrace.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace dtc::platform {

inline constexpr const char* kLibraryName = "libdtrace.so.2";

// libdtrace 2 collects probe and type data in a step of its own; a compile without it crashes.
inline constexpr bool kHasInit = true;

inline const char* Provider(const dtrace_probedesc_t& probe) { return probe.prv; }
inline const char* Module(const dtrace_probedesc_t& probe) { return probe.mod; }
inline const char* Function(const dtrace_probedesc_t& probe) { return probe.fun; }
inline const char* Name(const dtrace_probedesc_t& probe) { return probe.prb; }
inline unsigned Id(const dtrace_probedesc_t& probe) { return probe.id; }

// The clause a firing belongs to.
inline unsigned StatementId(const dtrace_probedata_t& data) { return static_cast<unsigned>(data.dtpda_stid); }

template <typename GoFunction>
int Go(GoFunction go, dtrace_hdl_t* handle) {
  return go(handle, 0);
}

// The parsed printf format that begins at this value.
inline void* Format(const dtrace_recdesc_t& record) {
  return DTRACEACT_ISPRINTFLIKE(record.dtrd_action) ? record.dtrd_format : nullptr;
}

inline int RecordCount(const dtrace_probedata_t& data) { return data.dtpda_ddesc->dtdd_nrecs; }
inline const dtrace_recdesc_t* Records(const dtrace_probedata_t& data) { return data.dtpda_ddesc->dtdd_recs; }

// Where the addresses of a stack()'s or ustack()'s record are. Seen with libdtrace 2.0.7: the largest number of frames;
// a word with 1 in its lower half and the process in its upper half for a user's stack, else 0; the addresses, up to
// a 0 or that number. Older 2.0 versions have the process alone before a user's addresses, and nothing before the
// kernel's.
struct StackHeader {
  size_t first;
  size_t end;
  bool user;
  uint32_t pid;
};

inline StackHeader ReadStackHeader(const char* data, size_t words, unsigned action) {
  uint64_t header[2] = {0, 0};
  std::memcpy(header, data, std::min<size_t>(words, 2) * sizeof header[0]);
  if (words >= 2 && header[0] <= words - 2 && (header[1] & 0xffffffff) <= 1) {
    return {2, 2 + static_cast<size_t>(header[0]), (header[1] & 1) != 0, static_cast<uint32_t>(header[1] >> 32)};
  }
  const bool user = action == DTRACEACT_USTACK || action == DTRACEACT_JSTACK;
  return {user ? size_t{1} : 0, words, user, user ? static_cast<uint32_t>(header[0]) : 0};
}

}  // namespace dtc::platform
