// What is particular to illumos' libdtrace (usr/src/lib/libdtrace/common/dtrace.h and
// usr/src/uts/common/sys/dtrace.h of illumos-gate).
#pragma once

#include "older.h"

namespace dtc::platform {

inline constexpr const char* kLibraryName = "libdtrace.so.1";

}  // namespace dtc::platform
