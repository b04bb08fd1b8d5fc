#include "channel.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

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

Napi::Function Channel::Define(Napi::Env env) {
  return DefineClass(env, "NativeChannel",
                     {
                         InstanceMethod<&Channel::Close>("close"),
                         InstanceMethod<&Channel::Ref>("ref"),
                         InstanceMethod<&Channel::Unref>("unref"),
                     });
}

Channel::Channel(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Channel>(info), stream_([this](size_t least) { return Fresh(least); }) {
  const Napi::Env env = info.Env();
  if (!info[0].IsNumber() || !info[1].IsFunction() || !info[2].IsFunction()) {
    Napi::TypeError::New(env, "NativeChannel needs a descriptor and two functions").ThrowAsJavaScriptException();
    return;
  }
  receive_ = Napi::Persistent(info[1].As<Napi::Function>());
  ended_ = Napi::Persistent(info[2].As<Napi::Function>());
  if (!Start(env, info[0].ToNumber().Int32Value())) {
    Napi::Error::New(env, std::strerror(errno)).ThrowAsJavaScriptException();
  }
}

bool Channel::Start(Napi::Env env, int descriptor) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  const int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return false;
  auto poll = std::make_unique<Poll>();
  poll->channel = this;
  poll->descriptor = copy;
  // It also makes the socket one that does not wait.
  const int error = uv_poll_init(loop, &poll->handle, copy);
  if (error != 0) {
    close(copy);
    errno = -error;
    return false;
  }
  poll->handle.data = poll.get();
  poll_ = poll.release();
  // At the end of a worker.
  napi_add_async_cleanup_hook(
      env, [](napi_async_cleanup_hook_handle /*hook*/, void* channel) { static_cast<Channel*>(channel)->End(); }, this,
      &poll_->hook);
  this->ObjectWrap::Ref();
  uv_poll_start(&poll_->handle, UV_READABLE,
                [](uv_poll_t* handle, int, int) { static_cast<Poll*>(handle->data)->channel->Read(); });
  return true;
}

void Channel::Read() {
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  const PacketStream::Memory room = stream_.Room();
  const ssize_t got = read(poll_->descriptor, room.data, std::min(room.size, kPiece));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) {
    stream_.Add(static_cast<size_t>(got));
    while (const auto packet = stream_.Next()) {
      Deliver(env, *packet);
      if (poll_ == nullptr) return;  // closed by who was told
    }
    if (!stream_.foreign()) return;
  }
  const Napi::Value lost = Napi::Number::New(env, stream_.unfinished_records());
  const Napi::Value foreign = Napi::Boolean::New(env, stream_.foreign());
  End();
  Call(env, ended_, {lost, foreign});
}

void Channel::Deliver(Napi::Env env, const PacketStream::Packet& packet) {
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
PacketStream::Memory Channel::Fresh(size_t least) {
  const Napi::Env env = Env();
  std::shared_ptr<char> owner;
  const Napi::ArrayBuffer buffer = least <= Slabs::kSize ? pool_.Get(env, &owner) : Napi::ArrayBuffer::New(env, least);
  if (buffer.IsEmpty()) return {};
  memory_ = Napi::Persistent(buffer);
  return {static_cast<char*>(memory_.Value().Data()), memory_.Value().ByteLength()};
}

// Any number of times.
void Channel::End() {
  if (poll_ == nullptr) return;
  Poll* const poll = std::exchange(poll_, nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle), [](uv_handle_t* handle) {
    const std::unique_ptr<Poll> closed(static_cast<Poll*>(handle->data));
    close(closed->descriptor);
    const Napi::HandleScope scope(closed->channel->Env());
    closed->channel->ObjectWrap::Unref();
    napi_remove_async_cleanup_hook(closed->hook);
  });
}

void Channel::Close(const Napi::CallbackInfo& /*info*/) { End(); }

void Channel::Ref(const Napi::CallbackInfo& /*info*/) {
  if (poll_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(&poll_->handle));
}

void Channel::Unref(const Napi::CallbackInfo& /*info*/) {
  if (poll_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(&poll_->handle));
}

}  // namespace dtc
