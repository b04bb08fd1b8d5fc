// What is particular to macOS' libdtrace (lib/libdtrace/common/dtrace.h of apple-oss-distributions/dtrace and
// bsd/sys/dtrace.h of xnu): a dylib, and symbols of its own kind.
#pragma once

#include <cstddef>

#include "older.h"

namespace dtc::platform {

inline constexpr const char* kLibraryName = "/usr/lib/libdtrace.dylib";
// Of a socket that no program inherits: there it can only be said afterwards.
inline constexpr int kSocketNotInherited = 0;

template <typename CreateFunction>
Process* CreateProcess(CreateFunction create, dtrace_hdl_t* handle, const char* file, char* const* argv) {
  return create(handle, file, argv);
}

// `look_up` is dtrace_lookup_by_addr. Nothing where libdtrace knows not even the module. dtrace.h calls its symbol
// GElf_Sym and takes the name back at its end, so the type comes from the function: the fifth argument points to it.
template <typename Symbol>
std::optional<KernelSymbol> SymbolAt(int (*look_up)(dtrace_hdl_t*, decltype(Symbol::st_value), char*, size_t, Symbol*,
                                                    dtrace_syminfo_t*),
                                     dtrace_hdl_t* handle, uint64_t address) {
  // A name that libdtrace makes up, as of a C++ symbol, is written here.
  char name[1024] = "";
  Symbol symbol = {};
  dtrace_syminfo_t info = {};
  if (look_up(handle, address, name, sizeof name, &symbol, &info) == 0) {
    return KernelSymbol{info.dts_object, info.dts_name, symbol.st_value};
  }
  // Without a symbol to fill in, it looks for the module alone.
  if (look_up(handle, address, name, sizeof name, nullptr, &info) == 0) return KernelSymbol{info.dts_object, {}, 0};
  return std::nullopt;
}

}  // namespace dtc::platform
