// Kernel symbols as illumos and FreeBSD have them: with libelf's own symbol, the name kept by libdtrace.
#pragma once

#include <dtrace.h>

#include <cstdint>
#include <optional>

#include "shapes.h"

namespace dtc::platform {

// `look_up` is dtrace_lookup_by_addr. Nothing where libdtrace knows not even the module.
template <typename LookUpFunction>
std::optional<KernelSymbol> SymbolAt(LookUpFunction look_up, dtrace_hdl_t* handle, uint64_t address) {
  GElf_Sym symbol = {};
  dtrace_syminfo_t info = {};
  if (look_up(handle, address, &symbol, &info) == 0)
    return KernelSymbol{info.dts_object, info.dts_name, symbol.st_value};
  // Without a symbol to fill in, it looks for the module alone.
  if (look_up(handle, address, nullptr, &info) == 0) return KernelSymbol{info.dts_object, {}, 0};
  return std::nullopt;
}

}  // namespace dtc::platform
