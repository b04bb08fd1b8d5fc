// What libdtrace says of records that were lost.
#pragma once

#include "libdtrace.h"
#include "message.h"

namespace dtc {

Drop ToDrop(const dtrace_dropdata_t& data);

}  // namespace dtc
