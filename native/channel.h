// What JavaScript holds of a session in another process: it reads what that one's host says. Here, and not with Node's
// streams: those are code that is cold at each of a hundred pieces a second, and have memory of their own to be copied
// from. JavaScript thread only.
#pragma once

#include <napi.h>
#include <uv.h>

#include "packet_stream.h"
#include "slab_pool.h"

namespace dtc {

class Channel : public Napi::ObjectWrap<Channel> {
 public:
  static Napi::Function Define(Napi::Env env);

  // new NativeChannel(descriptor, receive, ended): reads from a copy of the descriptor. receive(json, data, offset,
  // length) is called for every message, in order; ended(lost, foreign) when no more will come: with the number of
  // records of a batch that came in part, and whether what came last is no message.
  explicit Channel(const Napi::CallbackInfo& info);
  ~Channel() override = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

 private:
  // What libuv holds, which may be a moment longer than this object is in use.
  struct Poll {
    uv_poll_t handle = {};
    Channel* channel = nullptr;
    int descriptor = -1;
    napi_async_cleanup_hook_handle hook = nullptr;
  };

  void Close(const Napi::CallbackInfo& info);
  void Ref(const Napi::CallbackInfo& info);
  void Unref(const Napi::CallbackInfo& info);

  bool Start(Napi::Env env, int descriptor);
  PacketStream::Memory Fresh(size_t least);
  void Read();
  void Deliver(Napi::Env env, const PacketStream::Packet& packet);
  void End();

  Napi::FunctionReference receive_;
  Napi::FunctionReference ended_;
  SlabPool pool_;
  Napi::Reference<Napi::ArrayBuffer> memory_;
  PacketStream stream_;
  Poll* poll_ = nullptr;
};

}  // namespace dtc
