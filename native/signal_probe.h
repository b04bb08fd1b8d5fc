// A way from the process into its own D program: a system call that does nothing but carry four numbers.
#pragma once

#include <napi.h>

namespace dtc {

// signalProbe(a, b, c, d), each a bigint: on Linux prctl(0x44545243, a, b, c, d), which a clause on
// syscall::prctl:entry with pid == $pid sees. A program's variables can be set in this way while it runs; to stop and
// start it again would cost seconds, and their events. Returns false where there is no such call.
Napi::Value SignalProbe(const Napi::CallbackInfo& info);

}  // namespace dtc
