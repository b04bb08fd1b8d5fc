// Module entry: what TypeScript can see, and nothing else. lib/native.ts is its declaration.

#include <napi.h>

#include "children_usage.h"
#include "consumer.h"
#include "host_channel.h"
#include "kernel_symbol.h"
#include "platform/platform.h"
#include "reaper.h"
#include "signal_probe.h"
#include "sockets.h"

namespace {

class Addon : public Napi::Addon<Addon> {
 public:
  Addon(Napi::Env env, Napi::Object exports) : reaper_(env) {
    DefineAddon(exports, {
                             InstanceValue("NativeConsumer", dtc::Consumer::Define(env)),
                             InstanceValue("NativeChannel", dtc::HostChannel::Define(env)),
                             InstanceValue("libraryName", Napi::String::New(env, dtc::platform::kLibraryName)),
                             InstanceMethod<&Addon::SignalProbe>("signalProbe"),
                             InstanceMethod<&Addon::WatchChild>("watchChild"),
                             InstanceMethod<&Addon::ChildrenUsage>("childrenUsage"),
                             InstanceMethod<&Addon::HasKernelSymbol>("hasKernelSymbol"),
                             InstanceMethod<&Addon::SocketPair>("socketPair"),
                             InstanceMethod<&Addon::CloseSocket>("closeSocket"),
                             InstanceMethod<&Addon::ConnectTo>("connectTo"),
                         });
  }

 private:
  // NOLINTNEXTLINE(readability-convert-member-functions-to-static): that is how Napi::Addon wants it
  Napi::Value SignalProbe(const Napi::CallbackInfo& info) { return dtc::SignalProbe(info); }
  // NOLINTNEXTLINE(readability-convert-member-functions-to-static): see above
  Napi::Value ChildrenUsage(const Napi::CallbackInfo& info) { return dtc::ChildrenUsage(info); }
  // NOLINTNEXTLINE(readability-convert-member-functions-to-static): see above
  Napi::Value HasKernelSymbol(const Napi::CallbackInfo& info) { return dtc::HasKernelSymbol(info); }
  // NOLINTNEXTLINE(readability-convert-member-functions-to-static): see above
  Napi::Value SocketPair(const Napi::CallbackInfo& info) { return dtc::SocketPair(info); }
  // NOLINTNEXTLINE(readability-convert-member-functions-to-static): see above
  void CloseSocket(const Napi::CallbackInfo& info) { dtc::CloseSocket(info); }
  // NOLINTNEXTLINE(readability-convert-member-functions-to-static): see above
  Napi::Value ConnectTo(const Napi::CallbackInfo& info) { return dtc::ConnectTo(info); }

  // watchChild(pid, isThere)
  void WatchChild(const Napi::CallbackInfo& info) {
    const auto pid = static_cast<pid_t>(info[0].ToNumber().Int32Value());
    if (info[1].ToBoolean()) {
      reaper_.Watch(pid);
    } else {
      reaper_.Forget(pid);
    }
  }

  dtc::Reaper reaper_;
};

}  // namespace

NODE_API_ADDON(Addon)
