#include "sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "platform/platform.h"
#include "system_error.h"

namespace dtc {

Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  uv_os_sock_t ends[2];
  const int error = uv_socketpair(SOCK_STREAM, 0, ends, 0, 0);
  if (error != 0) {
    ThrowSystemError(env, error);
    return env.Undefined();
  }
  Napi::Array pair = Napi::Array::New(env, 2);
  for (uint32_t i = 0; i < 2; i++) pair[i] = Napi::Number::New(env, ends[i]);
  return pair;
}

void CloseSocket(const Napi::CallbackInfo& info) {
  if (info[0].IsNumber()) close(info[0].ToNumber().Int32Value());
}

Napi::Value ConnectTo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = info[0].ToString();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    ThrowSystemError(env, UV_ENAMETOOLONG);
    return env.Undefined();
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | platform::kSocketNotInherited, 0);
  // Without waiting: one whose queue is full refuses.
  if (descriptor < 0 || fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0 || fcntl(descriptor, F_SETFL, O_NONBLOCK) != 0 ||
      connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    if (descriptor >= 0) close(descriptor);
    ThrowSystemError(env, -error);
    return env.Undefined();
  }
  return Napi::Number::New(env, descriptor);
}

}  // namespace dtc
