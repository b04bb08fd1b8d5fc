// What the system says of an error number of libuv's, as Node's own errors begin: "ENOENT: no such file or directory".
#pragma once

#include <napi.h>
#include <uv.h>

#include <string>

namespace dtc {

inline void ThrowSystemError(Napi::Env env, int error) {
  const std::string message = std::string(uv_err_name(error)) + ": " + uv_strerror(error);
  Napi::Error::New(env, message).ThrowAsJavaScriptException();
}

}  // namespace dtc
