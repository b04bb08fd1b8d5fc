// The one place that knows which libdtrace is spoken to. Every system's header has the same names; what they are is
// written out in test/native/platform-stubs/contract.cc, which `npm run check` compiles for all but Linux: that header
// the addon itself is built with.
#pragma once

#if defined(DTRACE_PLATFORM_HEADER)  // that check: another system's header, and declarations of its libdtrace
#include DTRACE_PLATFORM_HEADER
#elif defined(__linux__)
#include "linux.h"
#elif defined(__sun)
#include "illumos.h"
#elif defined(__FreeBSD__)
#include "freebsd.h"
#elif defined(__APPLE__)
#include "macos.h"
#else
#error "dtrace-consumer: there is no DTrace for this system (Linux, illumos, FreeBSD and macOS have one)"
#endif
