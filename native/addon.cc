// Module entry: what TypeScript can see, and nothing else. lib/native.ts is its declaration.

#include <napi.h>

#include "consumer.h"
#include "platform/platform.h"
#include "signal_probe.h"

namespace {

class Addon : public Napi::Addon<Addon> {
 public:
  Addon(Napi::Env env, Napi::Object exports) {
    DefineAddon(exports, {
                             InstanceValue("NativeConsumer", dtc::Consumer::Define(env)),
                             InstanceValue("libraryName", Napi::String::New(env, dtc::platform::kLibraryName)),
                             InstanceMethod<&Addon::SignalProbe>("signalProbe"),
                         });
  }

 private:
  // NOLINTNEXTLINE(readability-convert-member-functions-to-static): that is how Napi::Addon wants it
  Napi::Value SignalProbe(const Napi::CallbackInfo& info) { return dtc::SignalProbe(info); }
};

}  // namespace

NODE_API_ADDON(Addon)
