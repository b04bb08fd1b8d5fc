// What is particular to Oracle's libdtrace 2 (eBPF). Facts: <dtrace.h> of libdtrace 2.0, and docs/libdtrace.md.
#pragma once

#include <dtrace.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../statement.h"
#include "linux/buffers.h"
#include "linux/cpus.h"
#include "linux/kallsyms.h"
#include "linux/keeper.h"
#include "linux/leave.h"
#include "linux/loader_breakpoint.h"
#include "linux/misses.h"
#include "linux/priority.h"
#include "linux/process.h"
#include "linux/process_status.h"
#include "linux/procfs_view.h"
#include "linux/ring.h"
#include "linux/types.h"
#include "linux/wakeup.h"
#include "shapes.h"

namespace dtc::platform {

inline constexpr const char* kLibraryName = "libdtrace.so.2";
// Of a socket that no program inherits.
inline constexpr int kSocketNotInherited = SOCK_CLOEXEC;

// libdtrace 2 collects probe and type data in a step of its own; a compile without it crashes.
inline constexpr bool kHasInit = true;

template <typename GoFunction>
int Go(GoFunction go, dtrace_hdl_t* handle) {
  return go(handle, 0);
}

// ---- Probes ----

inline const char* Provider(const dtrace_probedesc_t& probe) { return probe.prv; }
inline const char* Module(const dtrace_probedesc_t& probe) { return probe.mod; }
inline const char* Function(const dtrace_probedesc_t& probe) { return probe.fun; }
inline const char* Name(const dtrace_probedesc_t& probe) { return probe.prb; }
inline unsigned Id(const dtrace_probedesc_t& probe) { return probe.id; }

// A description of probes to look for. dtrace_str2desc() allocates its parts, which are the caller's then.
class ProbePattern {
 public:
  ProbePattern() = default;
  ~ProbePattern() {
    if (parsed_) Free();
  }
  ProbePattern(const ProbePattern&) = delete;
  ProbePattern& operator=(const ProbePattern&) = delete;

  template <typename ParseFunction>
  bool Parse(ParseFunction parse, dtrace_hdl_t* handle, const std::string& text) {
    parsed_ = true;
    return parse(handle, DTRACE_PROBESPEC_NAME, text.c_str(), &pattern_) == 0;
  }
  // Provider, module, function and name.
  bool Set(std::vector<std::string> parts) {
    parts_ = std::move(parts);
    pattern_ = {DTRACE_IDNONE, parts_[0].c_str(), parts_[1].c_str(), parts_[2].c_str(), parts_[3].c_str()};
    return true;
  }
  const dtrace_probedesc_t& get() const { return pattern_; }

 private:
  void Free() const {
    for (const char* part : {pattern_.prv, pattern_.mod, pattern_.fun, pattern_.prb}) {
      // NOLINTNEXTLINE(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory): libdtrace took it from malloc()
      std::free(const_cast<char*>(part));
    }
  }

  std::vector<std::string> parts_;
  dtrace_probedesc_t pattern_ = {};
  bool parsed_ = false;
};

// ---- Programs ----

// The place of a clause in the handle's table of them.
inline std::optional<uint32_t> StatementNumber(const dtrace_stmtdesc_t& statement) {
  return static_cast<uint32_t>(statement.dtsd_id);
}

// What a clause and its firings have in common.
inline uint64_t ClauseKey(const dtrace_stmtdesc_t& statement) { return static_cast<uint64_t>(statement.dtsd_id); }
inline uint64_t ClauseKey(const dtrace_probedata_t& data) { return static_cast<uint64_t>(data.dtpda_stid); }

// ---- Records ----

// The clause a firing belongs to.
inline unsigned StatementId(const dtrace_probedata_t& data) { return static_cast<unsigned>(data.dtpda_stid); }

inline Firing ToFiring(const dtrace_probedata_t& data) {
  return {static_cast<uint32_t>(data.dtpda_cpu), Id(*data.dtpda_pdesc), StatementId(data), data.dtpda_data};
}

// A firing as it is in the buffer, from its size on (libdtrace 2.0.7, dt_consume_one(): the size, the speculation, the
// probe, the clause). Nothing when it was speculated. Whether that holds for the library at hand is to be asked of a
// firing that comes from it: see Sources.
inline std::optional<Firing> ReadFiring(uint32_t cpu, const char* sample) {
  struct {
    uint32_t size, speculation, probe, statement;
  } start = {};
  std::memcpy(&start, sample, sizeof start);
  if (start.size < sizeof start - sizeof start.size || start.speculation != 0) return std::nullopt;
  return Firing{cpu, start.probe, start.statement, sample};
}

inline int RecordCount(const dtrace_probedata_t& data) { return data.dtpda_ddesc->dtdd_nrecs; }

// What is recorded at this place, without the text of a format.
inline FieldSource Describe(const dtrace_probedata_t& data, int index) {
  const dtrace_recdesc_t& record = data.dtpda_ddesc->dtdd_recs[index];
  return {static_cast<uint16_t>(record.dtrd_action),
          record.dtrd_size,
          record.dtrd_offset,
          record.dtrd_alignment,
          record.dtrd_arg,
          {},
          false,
          // The only action of libdtrace's own that needs no value.
          record.dtrd_action == DTRACEACT_LIBACT && record.dtrd_size == 0};
}

// The parsed printf format that begins at this value, else null.
inline void* Format(const dtrace_probedata_t& data, int index) {
  const dtrace_recdesc_t& record = data.dtpda_ddesc->dtdd_recs[index];
  return DTRACEACT_ISPRINTFLIKE(record.dtrd_action) ? record.dtrd_format : nullptr;
}

// Seen with libdtrace 2.0.7: ustack()'s arguments, the largest number of frames in the lower half; a word with 1 in its
// lower half and the process in its upper half for a user's stack, else 0; the addresses, up to a 0 or that number.
// Older 2.0 versions have the process alone before a user's addresses, and nothing before the kernel's.
inline StackHeader ReadStackHeader(const char* data, size_t words, unsigned action) {
  uint64_t header[2] = {0, 0};
  std::memcpy(header, data, std::min<size_t>(words, 2) * sizeof header[0]);
  const size_t frames = header[0] & 0xffffffff;
  if (words >= 2 && frames <= words - 2 && (header[1] & 0xffffffff) <= 1) {
    return {2, 2 + frames, (header[1] & 1) != 0, static_cast<uint32_t>(header[1] >> 32)};
  }
  const bool user = action == DTRACEACT_USTACK || action == DTRACEACT_JSTACK;
  return {user ? size_t{1} : 0, words, user, user ? static_cast<uint32_t>(header[0]) : 0};
}

// A clause that speculates, commits or discards. libdtrace itself gathers what is speculated and passes it on while it
// goes through later firings.
inline bool Speculates(const dtrace_stmtdesc_t& statement) {
  return (statement.dtsd_clauseflags & (DT_CLSFLAG_SPECULATE | DT_CLSFLAG_COMMIT | DT_CLSFLAG_COMMIT_DISCARD)) != 0;
}

// The first look into the buffers must come before dtrace_stop(), which dtrace_work() calls after an exit(). Otherwise
// it goes through the buffer of BEGIN's CPU twice, for BEGIN's own firings first, and what was speculated there is
// gathered in the first of the two alone: what is committed then is lost (2.0.7, dt_consume_begin()). dtrace_consume()
// is a look and nothing else.
inline constexpr bool kLooksBeforeItEnds = true;

// ---- Aggregations ----

// A snapshot reads the kernel's totals anew; there is no way to have the kernel begin anew but to remove keys.
inline constexpr bool kSnapshotsAreTotals = true;
inline constexpr int kAggregationClear = DTRACE_AGGWALK_NEXT;

// A snapshot stays valid, and dtrace_aggregate_snap() does nothing, until dtrace_work() is called again (2.0.7).
// Printing ends that, and takes one itself, if aggrate allows it; what would print does nothing here.
template <typename PrintFunction>
int ForgetSnapshot(PrintFunction print, dtrace_hdl_t* handle) {
  return print(handle, nullptr, [](dtrace_hdl_t*, dtrace_aggregate_f*, void*) { return 0; });
}

using AggregationVariable = dtrace_aggid_t;

// The aggregating actions are numbered by their names' order; the numbers are libdtrace's own (dt_aggregate.h).
inline const char* AggregatingAction(unsigned action) {
  static constexpr const char* kNames[] = {"avg", "count",    "llquantize", "lquantize", "max",
                                           "min", "quantize", "stddev",     "sum"};
  const unsigned index = action - DTRACEACT_AGGREGATION;
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

// The first record of the data is the generation, the second the value.
inline AggregationEntry ReadAggregation(const dtrace_aggdata_t& data) {
  const dtrace_aggdesc_t& description = *data.dtada_desc;
  const dtrace_recdesc_t& value = description.dtagd_drecs[1];
  uint64_t generation = 0;
  std::memcpy(&generation, data.dtada_data, sizeof generation);
  return {description.dtagd_name,
          description.dtagd_varid,
          AggregatingAction(value.dtrd_action),
          description.dtagd_sig,
          description.dtagd_normal,
          generation,
          (description.dtagd_flags & DTRACE_AGD_PRINTED) != 0,
          static_cast<int>(description.dtagd_nkrecs) - 1,
          data.dtada_key,
          description.dtagd_ksize,
          data.dtada_data + value.dtrd_offset,
          value.dtrd_size};
}

// The first record of a key is the number of the variable. Of a value's sign nothing is kept: as in what dtrace(1)
// prints, integers of four and eight bytes have one, smaller ones have none. A string is what has no alignment.
inline FieldSource DescribeAggregationKey(const dtrace_aggdata_t& data, int index) {
  constexpr uint64_t kSigned = 1;
  constexpr uint64_t kByReference = 4;
  const dtrace_recdesc_t& record = data.dtada_desc->dtagd_krecs[index + 1];
  uint64_t argument = record.dtrd_arg;
  if (record.dtrd_action == DTRACEACT_DIFEXPR) {
    const bool string = record.dtrd_alignment == 1 && record.dtrd_size > 1;
    argument = string ? kByReference : record.dtrd_size >= 4 ? kSigned : 0;
  }
  return {static_cast<uint16_t>(record.dtrd_action),
          record.dtrd_size,
          record.dtrd_offset,
          record.dtrd_alignment,
          argument,
          {},
          false};
}

// As libdtrace does when it prints it: dtrace(1) does not print it again at its end.
inline void MarkPrinted(const dtrace_aggdata_t& data) { data.dtada_desc->dtagd_flags |= DTRACE_AGD_PRINTED; }

// A CPU's own value, with the option aggpercpu; else null.
inline char* CpuValue(const dtrace_aggdata_t& data, size_t cpu) {
  if (data.dtada_percpu == nullptr) return nullptr;
  return data.dtada_percpu[cpu] + data.dtada_desc->dtagd_drecs[1].dtrd_offset;
}

// ---- Symbols ----

// `look_up` is dtrace_lookup_by_addr. Nothing where libdtrace knows not even the module.
template <typename LookUpFunction>
std::optional<KernelSymbol> SymbolAt(LookUpFunction look_up, dtrace_hdl_t* handle, uint64_t address) {
  GElf_Sym symbol = {};
  dtrace_syminfo_t info = {};
  if (look_up(handle, address, &symbol, &info) == 0) return KernelSymbol{info.object, info.name, symbol.st_value};
  // Without a symbol to fill in, it looks for the module alone.
  if (look_up(handle, address, nullptr, &info) == 0) return KernelSymbol{info.object, {}, 0};
  return std::nullopt;
}

// ---- Processes that libdtrace starts or holds ----

using Process = struct dtrace_proc;

// Takes the process itself, which may be gone by then, by its number.
using ProcessHandler = void(pid_t pid, const char* error, void* self);

inline constexpr const char* kGrabProcess = "dtrace_proc_grab_pid";

// It leaves breakpoints in what it holds, see LoaderBreakpoint.
inline constexpr bool kSetsBreakpoints = true;

template <typename CreateFunction>
Process* CreateProcess(CreateFunction create, dtrace_hdl_t* handle, const char* file, char* const* argv) {
  return create(handle, file, argv, 0);
}

template <typename GrabFunction>
Process* GrabProcess(GrabFunction grab, dtrace_hdl_t* handle, pid_t pid) {
  return grab(handle, pid, 0);
}

// ---- Waiting ----

// There is no dtrace_sleep: dtrace_work() waits for data by itself, see Wakeup, and tells of processes.
inline constexpr const char* kSleep = nullptr;

// ---- Into the running program ----

// A system call that does nothing but carry four numbers to a clause on syscall::prctl:entry. There is no such option,
// so the kernel answers EINVAL and changes nothing.
inline bool SignalProbe(const uint64_t (&numbers)[4]) {
  constexpr int kOption = 0x44545243;  // "DTRC"
  prctl(kOption, numbers[0], numbers[1], numbers[2], numbers[3]);
  return true;
}

}  // namespace dtc::platform
