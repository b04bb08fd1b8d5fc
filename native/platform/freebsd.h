// What is particular to FreeBSD's libdtrace (cddl/contrib/opensolaris/lib/libdtrace/common/dtrace.h and
// sys/cddl/contrib/opensolaris/uts/common/sys/dtrace.h of freebsd-src).
#pragma once

#include <sys/socket.h>

#include "gelf_symbols.h"
#include "older.h"

namespace dtc::platform {

inline constexpr const char* kLibraryName = "libdtrace.so.2";
// Of a socket that no program inherits.
inline constexpr int kSocketNotInherited = SOCK_CLOEXEC;

// Here a function can be called in the child before its exec.
template <typename CreateFunction>
Process* CreateProcess(CreateFunction create, dtrace_hdl_t* handle, const char* file, char* const* argv) {
  return create(handle, file, argv, nullptr, nullptr);
}

}  // namespace dtc::platform
