// Module entry: what TypeScript can see, and nothing else. lib/native.ts is its declaration.

#include <napi.h>

#include "consumer.h"
#include "platform/platform.h"

namespace {

class Addon : public Napi::Addon<Addon> {
 public:
  Addon(Napi::Env env, Napi::Object exports) {
    DefineAddon(exports, {
                             InstanceValue("NativeConsumer", dtc::Consumer::Define(env)),
                             InstanceValue("libraryName", Napi::String::New(env, dtc::platform::kLibraryName)),
                         });
  }
};

}  // namespace

NODE_API_ADDON(Addon)
