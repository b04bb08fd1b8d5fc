// What every native/platform/<system>.h has to offer. Compiled by `npm run check`, never linked, with the declarations
// beside this file: for all systems but Linux, whose header the addon itself is built with.

#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "platform/platform.h"

namespace dtc::platform {

template <typename Expected, typename Actual>
constexpr bool kIs = std::is_same_v<Expected, Actual>;

static_assert(kIs<const char* const, decltype(kLibraryName)>);
static_assert(kIs<const bool, decltype(kHasInit)>);

// Starting.
int Started(dtrace_hdl_t* handle) { return Go(&dtrace_go, handle); }

// Probes.
static_assert(kIs<const char*, decltype(Provider(std::declval<const dtrace_probedesc_t&>()))>);
static_assert(kIs<const char*, decltype(Module(std::declval<const dtrace_probedesc_t&>()))>);
static_assert(kIs<const char*, decltype(Function(std::declval<const dtrace_probedesc_t&>()))>);
static_assert(kIs<const char*, decltype(Name(std::declval<const dtrace_probedesc_t&>()))>);
static_assert(kIs<unsigned, decltype(Id(std::declval<const dtrace_probedesc_t&>()))>);

// Records.
static_assert(kIs<unsigned, decltype(StatementId(std::declval<const dtrace_probedata_t&>()))>);
static_assert(kIs<int, decltype(RecordCount(std::declval<const dtrace_probedata_t&>()))>);
static_assert(kIs<Firing, decltype(ToFiring(std::declval<const dtrace_probedata_t&>()))>);
static_assert(kIs<std::optional<Firing>, decltype(ReadFiring(0, nullptr))>);
static_assert(kIs<FieldSource, decltype(Describe(std::declval<const dtrace_probedata_t&>(), 0))>);
static_assert(kIs<void*, decltype(Format(std::declval<const dtrace_probedata_t&>(), 0))>);
static_assert(kIs<bool, decltype(Speculates(std::declval<const dtrace_stmtdesc_t&>()))>);
static_assert(kIs<StackHeader, decltype(ReadStackHeader(nullptr, 0, 0))>);

// Aggregations.
static_assert(kIs<const bool, decltype(kSnapshotsAreTotals)>);
static_assert(kIs<const int, decltype(kAggregationClear)>);
static_assert(std::is_integral_v<AggregationVariable>);
int Forgotten(dtrace_hdl_t* handle) { return ForgetSnapshot(&dtrace_aggregate_print, handle); }
static_assert(kIs<AggregationEntry, decltype(ReadAggregation(std::declval<const dtrace_aggdata_t&>()))>);
static_assert(kIs<FieldSource, decltype(DescribeAggregationKey(std::declval<const dtrace_aggdata_t&>(), 0))>);
static_assert(kIs<char*, decltype(CpuValue(std::declval<const dtrace_aggdata_t&>(), 0))>);
static_assert(kIs<size_t, decltype(CpuLimit())>);
static_assert(kIs<void, decltype(MarkPrinted(std::declval<const dtrace_aggdata_t&>()))>);

static_assert(kIs<uint64_t, decltype(ClauseKey(std::declval<const dtrace_probedata_t&>()))>);
static_assert(kIs<uint64_t, decltype(ClauseKey(std::declval<const dtrace_stmtdesc_t&>()))>);
static_assert(kIs<std::optional<uint32_t>, decltype(StatementNumber(std::declval<const dtrace_stmtdesc_t&>()))>);

// Descriptions of probes.
static_assert(kIs<bool, decltype(std::declval<ProbePattern&>().Parse(&dtrace_str2desc, nullptr, std::string()))>);
static_assert(kIs<bool, decltype(std::declval<ProbePattern&>().Set({}))>);
static_assert(kIs<const dtrace_probedesc_t&, decltype(std::declval<const ProbePattern&>().get())>);

// Symbols.
std::optional<KernelSymbol> Symbol(dtrace_hdl_t* handle) { return SymbolAt(&dtrace_lookup_by_addr, handle, 0); }

// Processes: libdtrace lets go of them everywhere in the same way.
Process* Created(dtrace_hdl_t* handle, char* const* argv) {
  return CreateProcess(&dtrace_proc_create, handle, "/bin/true", argv);
}
static_assert(kIs<const char* const, decltype(kGrabProcess)>);
static_assert(kIs<ProcessHandler, dtrace_handle_proc_f>);
static_assert(kIs<void (*)(dtrace_hdl_t*, Process*), decltype(&dtrace_proc_release)>);
static_assert(kIs<void (*)(dtrace_hdl_t*, Process*), decltype(&dtrace_proc_continue)>);

// Waiting.
static_assert(kIs<const char* const, decltype(kSleep)>);
static_assert(kIs<bool, decltype(std::declval<Wakeup&>().Join())>);
static_assert(kIs<void, decltype(std::declval<Wakeup&>().Look())>);
static_assert(kIs<void, decltype(std::declval<Wakeup&>().Signal())>);
static_assert(kIs<void, decltype(std::declval<Wakeup&>().Clear())>);

// Around a session.
static_assert(std::is_constructible_v<ProcfsView, const std::string&>);
static_assert(kIs<const std::string&, decltype(std::declval<const ProcfsView&>().path())>);
static_assert(kIs<void, decltype(std::declval<Misses&>().Look())>);
static_assert(kIs<void, decltype(std::declval<Misses&>().Join())>);
static_assert(kIs<uint64_t, decltype(std::declval<const Misses&>().Count())>);
static_assert(kIs<size_t, decltype(std::declval<const Misses&>().programs())>);
static_assert(kIs<void, decltype(std::declval<Leave&>().Look())>);
static_assert(kIs<void, decltype(std::declval<const Leave&>().TakeProbesAway(false))>);
static_assert(kIs<bool, decltype(SignalProbe(std::declval<const uint64_t (&)[4]>()))>);

}  // namespace dtc::platform
