// What is particular to illumos' libdtrace (usr/src/lib/libdtrace/common/dtrace.h and
// usr/src/uts/common/sys/dtrace.h of illumos-gate): nothing else has its soname.
#pragma once

#include <sys/socket.h>

#include "gelf_symbols.h"
#include "older.h"

namespace dtc::platform {

inline constexpr const char* kLibraryName = "libdtrace.so.1";
// Of a socket that no program inherits.
inline constexpr int kSocketNotInherited = SOCK_CLOEXEC;

template <typename CreateFunction>
Process* CreateProcess(CreateFunction create, dtrace_hdl_t* handle, const char* file, char* const* argv) {
  return create(handle, file, argv);
}

}  // namespace dtc::platform
