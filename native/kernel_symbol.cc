#include "kernel_symbol.h"

#include <string>
#include <utility>

#include "platform/platform.h"

namespace dtc {
namespace {

// Deletes itself when it is done.
class Look : public Napi::AsyncWorker {
 public:
  Look(Napi::Env env, std::string name)
      : Napi::AsyncWorker(env), name_(std::move(name)), answer_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise Promise() const { return answer_.Promise(); }

 protected:
  void Execute() override { found_ = platform::HasSymbol(name_); }
  void OnOK() override { answer_.Resolve(Napi::Boolean::New(Env(), found_)); }

 private:
  const std::string name_;
  const Napi::Promise::Deferred answer_;
  bool found_ = false;
};

}  // namespace

Napi::Value HasKernelSymbol(const Napi::CallbackInfo& info) {
  auto* const look = new Look(info.Env(), info[0].ToString());  // NOLINT(cppcoreguidelines-owning-memory): see above
  const Napi::Promise promise = look->Promise();
  look->Queue();
  return promise;
}

}  // namespace dtc
