// The kernel's symbols: /proc/kallsyms, see proc(5).
#pragma once

#include <string>

namespace dtc::platform {

// Read here and not in JavaScript: it gives 4 KiB at a time, and two thousand reads through libuv's pool take 0.2 s, a
// tenth of that here. Not asked of libdtrace, which would load the kernel's types for it, before the user has had a
// chance to say where they are. Without the file libdtrace itself will say what is wrong: true.
bool HasSymbol(const std::string& name);

}  // namespace dtc::platform
