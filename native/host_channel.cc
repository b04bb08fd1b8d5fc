#include "host_channel.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <utility>

#include "system_error.h"

namespace dtc {
namespace {

// So much is read before the rest of the event loop has its turn again.
constexpr size_t kPiece = size_t{64} * 1024;

void Call(Napi::Env env, const Napi::FunctionReference& function, const std::initializer_list<napi_value>& arguments) {
  const Napi::HandleScope scope(env);
  function.MakeCallback(env.Global(), arguments);
  if (env.IsExceptionPending()) napi_fatal_exception(env, env.GetAndClearPendingException().Value());
}

}  // namespace

Napi::Function HostChannel::Define(Napi::Env env) {
  return DefineClass(env, "NativeChannel",
                     {
                         InstanceMethod<&HostChannel::Drain>("drain"),
                         InstanceMethod<&HostChannel::Close>("close"),
                         InstanceMethod<&HostChannel::UnfinishedRecords>("unfinishedRecords"),
                         InstanceMethod<&HostChannel::Ref>("ref"),
                         InstanceMethod<&HostChannel::Unref>("unref"),
                     });
}

HostChannel::HostChannel(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<HostChannel>(info), stream_([this](size_t least) { return Fresh(least); }) {
  const Napi::Env env = info.Env();
  if (!info[0].IsNumber() || !info[1].IsFunction() || !info[2].IsFunction()) {
    Napi::TypeError::New(env, "NativeChannel needs a descriptor and two functions").ThrowAsJavaScriptException();
    return;
  }
  const int error = Start(env, info[0].ToNumber().Int32Value());
  if (error != 0) {
    ThrowSystemError(env, error);
    return;
  }
  receive_ = Napi::Persistent(info[1].As<Napi::Function>());
  ended_ = Napi::Persistent(info[2].As<Napi::Function>());
}

int HostChannel::Start(Napi::Env env, int descriptor) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return UV_EINVAL;
  const int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return -errno;
  auto poll = std::make_unique<Poll>();
  poll->channel = this;
  poll->descriptor = copy;
  // It also makes the socket one that does not wait.
  const int error = uv_poll_init(loop, &poll->handle, copy);
  if (error != 0) {
    close(copy);
    return error;
  }
  poll->handle.data = poll.get();
  poll_ = poll.release();
  const int started = Listen();
  if (started != 0) {
    poll_->channel = nullptr;  // it is about to be deleted
    End();
    return started;
  }
  this->ObjectWrap::Ref();
  // At the end of a worker.
  napi_add_async_cleanup_hook(
      env, [](napi_async_cleanup_hook_handle /*hook*/, void* channel) { static_cast<HostChannel*>(channel)->End(); },
      this, &poll_->hook);
  return 0;
}

int HostChannel::Listen() {
  return uv_poll_start(&poll_->handle, UV_READABLE, [](uv_poll_t* handle, int /*status*/, int /*events*/) {
    HostChannel& channel = *static_cast<Poll*>(handle->data)->channel;
    channel.Read();
    // After an error of the socket libuv calls no more, though there may be much to read before it: as when the other
    // end has closed with something unread.
    if (channel.poll_ != nullptr && uv_is_active(reinterpret_cast<uv_handle_t*>(handle)) == 0) channel.Listen();
  });
}

HostChannel::Got HostChannel::Read() {
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  const PacketStream::Memory room = stream_.Room();
  if (room.size == 0) {
    if (env.IsExceptionPending()) env.GetAndClearPendingException();
    Ended(env, "memory");
    return Got::kEnd;
  }
  const ssize_t got = read(poll_->descriptor, room.data, std::min(room.size, kPiece));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Got::kNothing;
  if (got <= 0) {
    Ended(env, nullptr);
    return Got::kEnd;
  }
  stream_.Add(static_cast<size_t>(got));
  reading_ = true;
  while (const auto packet = poll_ == nullptr ? std::nullopt : stream_.Next()) Deliver(env, *packet);
  reading_ = false;
  if (poll_ == nullptr) return Got::kEnd;  // closed by who was told
  if (!stream_.foreign()) return Got::kPiece;
  Ended(env, "foreign");
  return Got::kEnd;
}

void HostChannel::Deliver(Napi::Env env, const PacketStream::Packet& packet) {
  const bool is_batch = packet.json.empty();
  Napi::Value json = env.Undefined();
  Napi::Value data = env.Undefined();
  size_t offset = 0;
  if (is_batch) {
    data = memory_.Value();
    offset = packet.offset;
  } else {
    json = Napi::String::New(env, packet.json.data(), packet.json.size());
    if (packet.size > 0) {
      // For whoever takes all of it.
      Napi::ArrayBuffer copy = Napi::ArrayBuffer::New(env, packet.size);
      if (!copy.IsEmpty()) {
        std::memcpy(copy.Data(), static_cast<char*>(memory_.Value().Data()) + packet.offset, packet.size);
      }
      data = copy;
    }
  }
  // While a worker is being terminated nothing can be made or called, and no exception says so.
  if (json.IsEmpty() || data.IsEmpty()) return;
  Call(env, receive_,
       {json, data, Napi::Number::New(env, static_cast<double>(offset)),
        Napi::Number::New(env, static_cast<double>(packet.size))});
}

// A slab, or memory for one packet that is larger.
PacketStream::Memory HostChannel::Fresh(size_t least) {
  const Napi::Env env = Env();
  std::shared_ptr<char> owner;
  const Napi::ArrayBuffer buffer = least <= Slabs::kSize ? pool_.Get(env, &owner) : Napi::ArrayBuffer::New(env, least);
  if (buffer.IsEmpty()) return {};
  memory_ = Napi::Persistent(buffer);
  return {static_cast<char*>(memory_.Value().Data()), memory_.Value().ByteLength()};
}

// Any number of times.
void HostChannel::End() {
  if (poll_ == nullptr) return;
  lost_ = stream_.unfinished_records();
  Poll* const poll = std::exchange(poll_, nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle), [](uv_handle_t* handle) {
    const std::unique_ptr<Poll> closed(static_cast<Poll*>(handle->data));
    close(closed->descriptor);
    if (closed->channel == nullptr) return;
    HostChannel& channel = *closed->channel;
    const Napi::HandleScope scope(channel.Env());
    // They refer to those who refer to this.
    channel.receive_.Reset();
    channel.ended_.Reset();
    channel.memory_.Reset();
    channel.ObjectWrap::Unref();
    napi_remove_async_cleanup_hook(closed->hook);
  });
}

void HostChannel::Ended(Napi::Env env, const char* trouble) {
  End();
  Call(env, ended_, {trouble == nullptr ? env.Undefined() : Napi::String::New(env, trouble)});
}

// drain(): what has come is delivered now. Not while something is.
void HostChannel::Drain(const Napi::CallbackInfo& /*info*/) {
  while (poll_ != nullptr && !reading_ && Read() == Got::kPiece) {
  }
}

void HostChannel::Close(const Napi::CallbackInfo& /*info*/) { End(); }

Napi::Value HostChannel::UnfinishedRecords(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), poll_ == nullptr ? lost_ : stream_.unfinished_records());
}

void HostChannel::Ref(const Napi::CallbackInfo& /*info*/) {
  if (poll_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(&poll_->handle));
}

void HostChannel::Unref(const Napi::CallbackInfo& /*info*/) {
  if (poll_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(&poll_->handle));
}

}  // namespace dtc
