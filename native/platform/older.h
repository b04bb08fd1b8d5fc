// What the libdtraces of illumos, FreeBSD and macOS have in common: the API of 2005, where the kernel gathers records
// by itself and the library only fetches them. Included by the header of each, which has the rest.
//
// Facts: lib/libdtrace/common/dtrace.h and sys/dtrace.h of each system (docs/platforms.md says of which versions), the
// library's dt_consume.c, dt_dof.c, dt_program.c and dt_work.c, and the kernel's dtrace_ecb_action_add().
#pragma once

#include <dtrace.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "../statement.h"
#include "shapes.h"
#include "unneeded.h"

namespace dtc::platform {

inline constexpr bool kHasInit = false;

template <typename GoFunction>
int Go(GoFunction go, dtrace_hdl_t* handle) {
  return go(handle);
}

// ---- Probes ----

inline const char* Provider(const dtrace_probedesc_t& probe) { return probe.dtpd_provider; }
inline const char* Module(const dtrace_probedesc_t& probe) { return probe.dtpd_mod; }
inline const char* Function(const dtrace_probedesc_t& probe) { return probe.dtpd_func; }
inline const char* Name(const dtrace_probedesc_t& probe) { return probe.dtpd_name; }
inline unsigned Id(const dtrace_probedesc_t& probe) { return probe.dtpd_id; }

// A description of probes to look for; its parts are in place.
class ProbePattern {
 public:
  template <typename ParseFunction>
  bool Parse(ParseFunction parse, dtrace_hdl_t* handle, const std::string& text) {
    return parse(handle, DTRACE_PROBESPEC_NAME, text.c_str(), &pattern_) == 0;
  }
  // Provider, module, function and name. False for one that is longer than any can be.
  bool Set(const std::vector<std::string>& parts) {
    return Copy(parts[0], pattern_.dtpd_provider) && Copy(parts[1], pattern_.dtpd_mod) &&
           Copy(parts[2], pattern_.dtpd_func) && Copy(parts[3], pattern_.dtpd_name);
  }
  const dtrace_probedesc_t& get() const { return pattern_; }

 private:
  template <size_t Size>
  static bool Copy(const std::string& part, char (&to)[Size]) {
    if (part.size() >= Size) return false;
    std::memcpy(to, part.c_str(), part.size() + 1);
    return true;
  }

  dtrace_probedesc_t pattern_ = {};
};

// ---- Records ----

// Enabled probes are numbered here: one number for each pair of probe and clause.
inline unsigned StatementId(const dtrace_probedata_t& data) { return data.dtpda_edesc->dtepd_epid; }

inline Firing ToFiring(const dtrace_probedata_t& data) {
  return {static_cast<uint32_t>(data.dtpda_cpu), Id(*data.dtpda_pdesc), StatementId(data), data.dtpda_data};
}

inline int RecordCount(const dtrace_probedata_t& data) { return data.dtpda_edesc->dtepd_nrecs; }

// The statement that an action was compiled into. dtrace_stmt_action() puts it into the action, and the kernel hands it
// back with each record; libdtrace itself finds an aggregation's name in this way.
inline const dtrace_stmtdesc_t* StatementOf(const dtrace_recdesc_t& record) {
  return reinterpret_cast<const dtrace_stmtdesc_t*>(static_cast<uintptr_t>(record.dtrd_uarg));
}

// There is no table of clauses.
inline std::optional<uint32_t> StatementNumber(const dtrace_stmtdesc_t& /*statement*/) { return std::nullopt; }

// What a clause and its firings have in common. A firing that records nothing does not tell.
inline uint64_t ClauseKey(const dtrace_stmtdesc_t& statement) { return reinterpret_cast<uintptr_t>(&statement); }
inline uint64_t ClauseKey(const dtrace_probedata_t& data) {
  return RecordCount(data) == 0 ? 0 : data.dtpda_edesc->dtepd_rec[0].dtrd_uarg;
}

// What is recorded at this place, without the text of a format; told as libdtrace 2 tells it.
inline FieldSource Describe(const dtrace_probedata_t& data, int index) {
  constexpr uint64_t kSigned = 1;
  constexpr uint64_t kByReference = 4;
  const dtrace_recdesc_t& record = data.dtpda_edesc->dtepd_rec[index];
  FieldSource source{static_cast<uint16_t>(record.dtrd_action),
                     record.dtrd_size,
                     record.dtrd_offset,
                     record.dtrd_alignment,
                     record.dtrd_arg,
                     {},
                     false};
  switch (record.dtrd_action) {
    case DTRACEACT_DIFEXPR: {
      // The kernel knows only how large it is, and works out an alignment from that. Whether it is a string is in the
      // compiled expression; of a sign nothing is kept, and dtrace(1) prints all integers as signed ones.
      const dtrace_stmtdesc_t* statement = StatementOf(record);
      const dtrace_actdesc_t* action = statement == nullptr ? nullptr : statement->dtsd_action;
      source.argument = kSigned;
      if (action == nullptr || action->dtad_difo == nullptr) break;
      const dtrace_diftype_t& type = action->dtad_difo->dtdo_rtype;
      if ((type.dtdt_flags & DIF_TF_BYREF) == 0) break;
      source.argument = kByReference;
      source.alignment = type.dtdt_kind == DIF_TYPE_STRING ? 1 : 8;
      break;
    }
    case DTRACEACT_USTACK:
    case DTRACEACT_JSTACK: {
      // The process, and as many addresses as the argument's lower half says; a jstack()'s names follow.
      const uint64_t words = 1 + (record.dtrd_arg & UINT32_MAX);
      source.size = static_cast<uint32_t>(std::min<uint64_t>(record.dtrd_size, words * sizeof(uint64_t)));
      break;
    }
    default:
      break;
  }
  return source;
}

// The parsed printf format that begins at this value, else null. dtrace_dof_create() gives the format to every value of
// a printf, so it begins where the statement does.
inline void* Format(const dtrace_probedata_t& data, int index) {
  const dtrace_recdesc_t* records = data.dtpda_edesc->dtepd_rec;
  const dtrace_recdesc_t& record = records[index];
  if (!DTRACEACT_ISPRINTFLIKE(record.dtrd_action) || record.dtrd_format == 0 || record.dtrd_uarg == 0) return nullptr;
  if (index > 0 && records[index - 1].dtrd_uarg == record.dtrd_uarg) return nullptr;
  return StatementOf(record)->dtsd_fmtdata;
}

// The kernel keeps what is speculated, and a commit() of it: libdtrace has nothing to do.
inline bool Speculates(const dtrace_stmtdesc_t& /*statement*/) { return false; }
// Nothing is lost, whenever the first look is.
inline constexpr bool kLooksBeforeItEnds = false;

// A user's stack begins with the process; all are 64-bit kernels, whose addresses are words.
inline StackHeader ReadStackHeader(const char* data, size_t words, unsigned action) {
  if (action != DTRACEACT_USTACK && action != DTRACEACT_JSTACK) return {0, words, false, 0};
  uint64_t pid = 0;
  if (words > 0) std::memcpy(&pid, data, sizeof pid);
  return {1, words, true, static_cast<uint32_t>(pid)};
}

// ---- Aggregations ----

// The kernel hands over what has been added since the last snapshot, and libdtrace adds it up: what a walk clears
// begins anew, and nothing is lost.
inline constexpr bool kSnapshotsAreTotals = false;
inline constexpr int kAggregationClear = DTRACE_AGGWALK_CLEAR;

// Every snapshot is a new one.
template <typename PrintFunction>
int ForgetSnapshot(PrintFunction /*print*/, dtrace_hdl_t* /*handle*/) {
  return 0;
}

using AggregationVariable = dtrace_aggvarid_t;

inline const char* AggregatingAction(unsigned action) {
  switch (action) {
    case DTRACEAGG_COUNT:
      return "count";
    case DTRACEAGG_MIN:
      return "min";
    case DTRACEAGG_MAX:
      return "max";
    case DTRACEAGG_AVG:
      return "avg";
    case DTRACEAGG_SUM:
      return "sum";
    case DTRACEAGG_STDDEV:
      return "stddev";
    case DTRACEAGG_QUANTIZE:
      return "quantize";
    case DTRACEAGG_LQUANTIZE:
      return "lquantize";
    case DTRACEAGG_LLQUANTIZE:
      return "llquantize";
    default:
      return "unknown";
  }
}

// Key and value are in one block: the number of the variable, the keys, the value. An lquantize() or llquantize()
// begins with its arguments.
inline const dtrace_recdesc_t& ValueOf(const dtrace_aggdesc_t& description) {
  return description.dtagd_rec[description.dtagd_nrecs - 1];
}
inline size_t ArgumentsSize(const dtrace_recdesc_t& value) {
  const bool has = value.dtrd_action == DTRACEAGG_LQUANTIZE || value.dtrd_action == DTRACEAGG_LLQUANTIZE;
  return has ? sizeof(uint64_t) : 0;
}
inline AggregationEntry ReadAggregation(const dtrace_aggdata_t& data) {
  const dtrace_aggdesc_t& description = *data.dtada_desc;
  const dtrace_recdesc_t& value = ValueOf(description);
  const size_t arguments = ArgumentsSize(value);
  uint64_t signature = 0;
  std::memcpy(&signature, data.dtada_data + value.dtrd_offset, arguments);
  return {description.dtagd_name,
          static_cast<uint32_t>(description.dtagd_varid),
          AggregatingAction(value.dtrd_action),
          signature,
          data.dtada_normal,
          0,
          (description.dtagd_flags & DTRACE_AGD_PRINTED) != 0,
          description.dtagd_nrecs - 2,
          data.dtada_data,
          value.dtrd_offset,
          data.dtada_data + value.dtrd_offset + arguments,
          value.dtrd_size - arguments};
}

// Of a value's type the kernel keeps its size alone. As in what dtrace(1) prints, integers of four and eight bytes have
// a sign, smaller ones have none; what is no integer is taken for a string.
inline FieldSource DescribeAggregationKey(const dtrace_aggdata_t& data, int index) {
  constexpr uint64_t kSigned = 1;
  constexpr uint64_t kByReference = 4;
  const dtrace_recdesc_t& record = data.dtada_desc->dtagd_rec[index + 1];
  FieldSource source{static_cast<uint16_t>(record.dtrd_action),
                     record.dtrd_size,
                     record.dtrd_offset,
                     record.dtrd_alignment,
                     record.dtrd_arg,
                     {},
                     false};
  if (record.dtrd_action == DTRACEACT_DIFEXPR) {
    const uint32_t size = record.dtrd_size;
    const bool integer = size == 1 || size == 2 || size == 4 || size == 8;
    source.argument = !integer ? kByReference : size >= 4 ? kSigned : 0;
    if (!integer) source.alignment = 1;
  }
  return source;
}

// As libdtrace does when it prints it: dtrace(1) does not print it again at its end.
inline void MarkPrinted(const dtrace_aggdata_t& data) { data.dtada_desc->dtagd_flags |= DTRACE_AGD_PRINTED; }

// A CPU's own value, with the option aggpercpu; else null.
inline char* CpuValue(const dtrace_aggdata_t& data, size_t cpu) {
  if (data.dtada_percpu == nullptr) return nullptr;
  const dtrace_recdesc_t& value = ValueOf(*data.dtada_desc);
  return data.dtada_percpu[cpu] + value.dtrd_offset + ArgumentsSize(value);
}

// How many CPUs libdtrace keeps values of. None, until it has been seen how each system counts them.
inline size_t CpuLimit() { return 0; }

// ---- Processes that libdtrace starts or holds ----

using Process = struct ps_prochandle;

// Called from dtrace_sleep() alone.
using ProcessHandler = void(Process* process, const char* error, void* self);

inline constexpr const char* kGrabProcess = "dtrace_proc_grab";

// It leaves breakpoints in what it holds, see LoaderBreakpoint.
inline constexpr bool kSetsBreakpoints = false;

template <typename GrabFunction>
Process* GrabProcess(GrabFunction grab, dtrace_hdl_t* handle, pid_t pid) {
  return grab(handle, pid, 0);
}

// ---- Waiting ----

// dtrace_work() never waits. dtrace_sleep() does, until it is time to look into the buffers, and tells of processes;
// no command of ours could interrupt it. A session, which holds no process, waits on its own condition variable
// instead, for the same time.
inline constexpr const char* kSleep = "dtrace_sleep";

}  // namespace dtc::platform
