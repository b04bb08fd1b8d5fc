// Sockets between processes of one machine, as descriptors that no program inherits.
#pragma once

#include <napi.h>

namespace dtc {

// socketPair(): two that are connected with each other.
Napi::Value SocketPair(const Napi::CallbackInfo& info);
// closeSocket(descriptor): a worker of Node's warns of one that is closed and that it has not opened.
void CloseSocket(const Napi::CallbackInfo& info);
// connectTo(path): one that is connected with whoever listens there.
Napi::Value ConnectTo(const Napi::CallbackInfo& info);

}  // namespace dtc
