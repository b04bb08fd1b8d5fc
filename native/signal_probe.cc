#include "signal_probe.h"

#include <cstdint>

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace dtc {

Napi::Value SignalProbe(const Napi::CallbackInfo& info) {
#ifdef __linux__
  constexpr int kOption = 0x44545243;  // "DTRC"
  unsigned long numbers[4] = {0, 0, 0, 0};
  for (size_t i = 0; i < 4 && i < info.Length(); i++) {
    if (!info[i].IsBigInt()) {
      Napi::TypeError::New(info.Env(), "signalProbe takes bigints").ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    bool lossless = true;
    numbers[i] = info[i].As<Napi::BigInt>().Uint64Value(&lossless);
  }
  prctl(kOption, numbers[0], numbers[1], numbers[2], numbers[3]);
  return Napi::Boolean::New(info.Env(), true);
#else
  return Napi::Boolean::New(info.Env(), false);
#endif
}

}  // namespace dtc
