// The time that this process' children have used: what Node does not give.
#pragma once

#include <napi.h>

namespace dtc {

// childrenUsage(): { user, system } in microseconds, of all children that have ended and were waited for, with what
// they waited for themselves: getrusage(2), RUSAGE_CHILDREN.
Napi::Value ChildrenUsage(const Napi::CallbackInfo& info);

}  // namespace dtc
