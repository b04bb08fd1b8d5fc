// Kernel symbols as illumos and FreeBSD have them: with libelf's own symbol, the name kept by libdtrace.
#pragma once

#include <dtrace.h>

#include <cstdint>
#include <optional>

#include "shapes.h"

namespace dtc::platform {

// `look_up` is dtrace_lookup_by_addr. Nothing where libdtrace knows no symbol.
template <typename LookUpFunction>
std::optional<KernelSymbol> SymbolAt(LookUpFunction look_up, dtrace_hdl_t* handle, uint64_t address) {
  GElf_Sym symbol = {};
  dtrace_syminfo_t info = {};
  if (look_up(handle, address, &symbol, &info) != 0) return std::nullopt;
  return KernelSymbol{info.dts_object, info.dts_name, symbol.st_value};
}

}  // namespace dtc::platform
