// Whether the kernel has a symbol: a D library that names one which is not there does not compile.
#pragma once

#include <napi.h>

namespace dtc {

// hasKernelSymbol(name): a promise of a boolean. On a thread of libuv's pool: there are some 200,000 symbols to look
// at, and meanwhile libdtrace is opened on the session's thread.
Napi::Value HasKernelSymbol(const Napi::CallbackInfo& info);

}  // namespace dtc
