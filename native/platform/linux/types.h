// The kernel's types, as libdtrace has them.
#pragma once

#include <dtrace.h>

namespace dtc::platform {

// Before dtrace_close(), once they have been loaded. libdtrace makes a dictionary of libctf's of them. That keeps a
// list for each string of the places where it stands, and looks each place up in it, one by one, when it is closed: of
// the names in a kernel's 60,000 types many are one string, and it takes 1.5 s of a processor. To write the dictionary
// out clears the lists, in 0.2 s (binutils 2.47; see docs/libdtrace.md). `library` is what dlopen() gave for libdtrace.
void EaseClose(void* library, dtrace_hdl_t* handle);

}  // namespace dtc::platform
