// The one place that knows which libdtrace is spoken to.
#pragma once

#if defined(__linux__)
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
