// What JavaScript holds of a session in another process: it reads what that one's host says. Here, and not with Node's
// streams: those are code that is cold at each of a hundred pieces a second, and have memory of their own to be copied
// from. JavaScript thread only.
#pragma once

#include <napi.h>
#include <uv.h>

#include "packet_stream.h"
#include "slab_pool.h"

namespace dtc {

class HostChannel : public Napi::ObjectWrap<HostChannel> {
 public:
  static Napi::Function Define(Napi::Env env);

  // new NativeChannel(descriptor, receive, ended): reads from a copy of the descriptor. receive(json, data, offset,
  // length) is called for every message, in order; ended(trouble) once, when no more will come: with a word where the
  // stream has not simply ended ("foreign": what came last is no message; "memory": there is none for it).
  explicit HostChannel(const Napi::CallbackInfo& info);
  ~HostChannel() override = default;
  HostChannel(const HostChannel&) = delete;
  HostChannel& operator=(const HostChannel&) = delete;

 private:
  // What libuv holds, which may be a moment longer than this object is in use.
  struct Poll {
    uv_poll_t handle = {};
    HostChannel* channel = nullptr;
    int descriptor = -1;
    napi_async_cleanup_hook_handle hook = nullptr;
  };
  enum class Got { kPiece, kNothing, kEnd };

  void Drain(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  Napi::Value UnfinishedRecords(const Napi::CallbackInfo& info);
  void Ref(const Napi::CallbackInfo& info);
  void Unref(const Napi::CallbackInfo& info);

  // An error number of libuv's.
  int Start(Napi::Env env, int descriptor);
  int Listen();
  PacketStream::Memory Fresh(size_t least);
  Got Read();
  void Deliver(Napi::Env env, const PacketStream::Packet& packet);
  void End();
  void Ended(Napi::Env env, const char* trouble);

  Napi::FunctionReference receive_;
  Napi::FunctionReference ended_;
  SlabPool pool_;
  Napi::Reference<Napi::ArrayBuffer> memory_;
  PacketStream stream_;
  Poll* poll_ = nullptr;  // as long as it reads
  bool reading_ = false;
  uint32_t lost_ = 0;  // of an unfinished batch, at the end
};

}  // namespace dtc
