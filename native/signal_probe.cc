#include "signal_probe.h"

#include <cstdint>

#include "platform/platform.h"

namespace dtc {

Napi::Value SignalProbe(const Napi::CallbackInfo& info) {
  uint64_t numbers[4] = {0, 0, 0, 0};
  for (size_t i = 0; i < 4 && i < info.Length(); i++) {
    if (!info[i].IsBigInt()) {
      Napi::TypeError::New(info.Env(), "signalProbe takes bigints").ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    bool lossless = true;
    numbers[i] = info[i].As<Napi::BigInt>().Uint64Value(&lossless);
  }
  return Napi::Boolean::New(info.Env(), platform::SignalProbe(numbers));
}

}  // namespace dtc
