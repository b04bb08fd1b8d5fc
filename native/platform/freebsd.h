// What is particular to FreeBSD's libdtrace (cddl/contrib/opensolaris/lib/libdtrace/common/dtrace.h of freebsd-src):
// illumos' API under another soname.
#pragma once

#include "older.h"

namespace dtc::platform {

inline constexpr const char* kLibraryName = "libdtrace.so.2";

}  // namespace dtc::platform
