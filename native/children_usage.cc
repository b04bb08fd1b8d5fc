#include "children_usage.h"

#include <sys/resource.h>
#include <sys/time.h>

namespace dtc {

namespace {

double Microseconds(const timeval& time) {
  constexpr double kMicrosecondsPerSecond = 1e6;
  return static_cast<double>(time.tv_sec) * kMicrosecondsPerSecond + static_cast<double>(time.tv_usec);
}

}  // namespace

Napi::Value ChildrenUsage(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  rusage usage{};
  // It fails for bad arguments only.
  if (getrusage(RUSAGE_CHILDREN, &usage) != 0) return env.Undefined();
  Napi::Object result = Napi::Object::New(env);
  result.Set("user", Microseconds(usage.ru_utime));
  result.Set("system", Microseconds(usage.ru_stime));
  return result;
}

}  // namespace dtc
