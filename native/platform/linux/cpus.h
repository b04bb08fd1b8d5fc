// How many CPUs there are, as libdtrace counts them.
#pragma once

#include <cstddef>

namespace dtc::platform {

// The highest number of a CPU that is online, plus one: what libdtrace has values of single CPUs for (dt_conf_init).
size_t CpuLimit();

}  // namespace dtc::platform
