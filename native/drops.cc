#include "drops.h"

namespace dtc {
namespace {

const char* Kind(dtrace_dropkind_t kind) {
  switch (kind) {
    case DTRACEDROP_PRINCIPAL:
      return "principal";
    case DTRACEDROP_AGGREGATION:
      return "aggregation";
    case DTRACEDROP_DYNAMIC:
      return "dynamic";
    case DTRACEDROP_DYNRINSE:
      return "dynamic-rinse";
    case DTRACEDROP_DYNDIRTY:
      return "dynamic-dirty";
    case DTRACEDROP_SPEC:
      return "speculation";
    case DTRACEDROP_SPECBUSY:
      return "speculation-busy";
    case DTRACEDROP_SPECUNAVAIL:
      return "speculation-unavailable";
    case DTRACEDROP_STKSTROVERFLOW:
      return "stack-string-overflow";
    case DTRACEDROP_DBLERROR:
      return "error-in-error-probe";
  }
  return "unknown";
}

}  // namespace

Drop ToDrop(const dtrace_dropdata_t& data) {
  const char* message = data.dtdda_msg == nullptr ? "" : data.dtdda_msg;
  std::optional<uint32_t> cpu;
  // DTRACE_CPUALL, which not every libdtrace's header has, is -1, and a number may be unsigned.
  if (static_cast<int>(data.dtdda_cpu) >= 0) cpu = static_cast<uint32_t>(data.dtdda_cpu);
  return {Kind(data.dtdda_kind), cpu, data.dtdda_drops, data.dtdda_total, message};
}

}  // namespace dtc
