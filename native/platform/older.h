// What the libdtraces of illumos, FreeBSD and macOS have in common: the API of 2005, without dtrace_init, with its own
// names for the fields. Included by the header of each, which has the rest.
#pragma once

#include <dtrace.h>

#include <cstdint>
#include <cstring>

namespace dtc::platform {

inline constexpr bool kHasInit = false;

inline const char* Provider(const dtrace_probedesc_t& probe) { return probe.dtpd_provider; }
inline const char* Module(const dtrace_probedesc_t& probe) { return probe.dtpd_mod; }
inline const char* Function(const dtrace_probedesc_t& probe) { return probe.dtpd_func; }
inline const char* Name(const dtrace_probedesc_t& probe) { return probe.dtpd_name; }
inline unsigned Id(const dtrace_probedesc_t& probe) { return probe.dtpd_id; }

// The older API numbers enabled probes: one number for each pair of probe and clause.
inline unsigned StatementId(const dtrace_probedata_t& data) { return data.dtpda_edesc->dtepd_epid; }

template <typename GoFunction>
int Go(GoFunction go, dtrace_hdl_t* handle) {
  return go(handle);
}

// The parsed printf format that begins at this value: it hangs on the statement, which the action carries along.
inline void* Format(const dtrace_recdesc_t& record) {
  if (!DTRACEACT_ISPRINTFLIKE(record.dtrd_action) || record.dtrd_format == 0) return nullptr;
  return reinterpret_cast<dtrace_stmtdesc_t*>(static_cast<uintptr_t>(record.dtrd_uarg))->dtsd_fmtdata;
}

inline int RecordCount(const dtrace_probedata_t& data) { return data.dtpda_edesc->dtepd_nrecs; }
inline const dtrace_recdesc_t* Records(const dtrace_probedata_t& data) { return data.dtpda_edesc->dtepd_rec; }

// Where the addresses of a stack()'s or ustack()'s record are: a user's stack begins with the process.
struct StackHeader {
  size_t first;
  size_t end;
  bool user;
  uint32_t pid;
};

inline StackHeader ReadStackHeader(const char* data, size_t words, unsigned action) {
  if (action != DTRACEACT_USTACK && action != DTRACEACT_JSTACK) return {0, words, false, 0};
  uint64_t pid = 0;
  std::memcpy(&pid, data, sizeof pid);
  return {1, words, true, static_cast<uint32_t>(pid)};
}

}  // namespace dtc::platform
