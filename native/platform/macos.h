// What is particular to macOS' libdtrace (lib/libdtrace/common/dtrace.h of apple-oss-distributions/dtrace): illumos'
// API in a dylib.
#pragma once

#include "older.h"

namespace dtc::platform {

inline constexpr const char* kLibraryName = "/usr/lib/libdtrace.dylib";

}  // namespace dtc::platform
