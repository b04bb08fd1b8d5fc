#include "consumer.h"

#include <cstring>
#include <utility>

#include "commands.h"

namespace dtc {
namespace {

// So long may messages keep the event loop from its other work; one of them may take longer.
constexpr std::chrono::milliseconds kTurn(2);

void ThrowWithCode(Napi::Env env, const char* code, const char* message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.ThrowAsJavaScriptException();
}

// Undefined where there are none. Empty where there is no memory, or while the environment is being terminated.
Napi::Value ToArrayBuffer(Napi::Env env, const std::vector<char>& data) {
  if (data.empty()) return env.Undefined();
  // A copy into memory that the JavaScript heap owns: nothing is to be released later.
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, data.size());
  if (!buffer.IsEmpty()) std::memcpy(buffer.Data(), data.data(), data.size());
  return buffer;
}

Napi::Value ToString(Napi::Env env, const std::string& json) {
  if (json.empty()) return env.Undefined();
  return Napi::String::New(env, json);
}

}  // namespace

Napi::Function Consumer::Define(Napi::Env env) {
  return DefineClass(env, "NativeConsumer",
                     {
                         InstanceMethod<&Consumer::Send>("send"),
                         InstanceMethod<&Consumer::Turn>("turn"),
                         InstanceMethod<&Consumer::Dispose>("dispose"),
                         InstanceMethod<&Consumer::Ref>("ref"),
                         InstanceMethod<&Consumer::Unref>("unref"),
                     });
}

Consumer::Consumer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Consumer>(info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsFunction() || !info[1].IsFunction()) {
    Napi::TypeError::New(env,
                         "NativeConsumer needs two functions: one for its messages, one for what comes after a turn")
        .ThrowAsJavaScriptException();
    return;
  }
  session_ = Session::Start([this](Message message) {
    auto handed_over = std::make_unique<Packet>(Encode(std::move(message)));
    // Refused only while the environment shuts down: then nobody is left to be told.
    if (function_.NonBlockingCall(handed_over.get()) == napi_ok) static_cast<void>(handed_over.release());
  });
  if (!session_) {
    ThrowWithCode(env, "ERR_DTRACE_BUSY", "another session is live in this process");
    return;
  }
  // The session says nothing before it is asked something, so its sink is complete in time.
  function_ =
      Function::New(env, info[0].As<Napi::Function>(), "dtrace-consumer", 0, 1, this,
                    [](Napi::Env /*env*/, void* /*data*/, Consumer* consumer) { consumer->ObjectWrap::Unref(); });
  if (env.IsExceptionPending()) return;
  after_turn_ = Napi::Persistent(info[1].As<Napi::Function>());
  function_.Unref(env);  // what keeps the process alive is decided by lib/consumer.ts
  // Until the function is finalized: messages that were on their way when the session ended still find this object.
  this->ObjectWrap::Ref();
  // After the thread-safe function was made, so that it runs before that one's own hook: the thread must be gone first.
  napi_add_env_cleanup_hook(env, OnExit, this);
}

void Consumer::OnExit(void* consumer) { static_cast<Consumer*>(consumer)->session_.reset(); }

Consumer::~Consumer() { session_.reset(); }

// Without a packet it is for what waits to go on.
void Consumer::CallJs(Napi::Env env, Napi::Function receive, Consumer* consumer, Packet* taken) {
  std::unique_ptr<Packet> packet(taken);
  if (env == nullptr) return;
  const Napi::HandleScope scope(env);
  if (packet) {
    consumer->Arrive(env, receive, std::move(packet));
  } else {
    consumer->GoOn(env, receive);
  }
}

void Consumer::Arrive(Napi::Env env, const Napi::Function& receive, std::unique_ptr<Packet> packet) {
  if (!waiting_.empty() || TurnIsOver()) {
    waiting_.push_back(std::move(packet));
    return;
  }
  const Clock::time_point began = Clock::now();
  Deliver(env, receive, *packet);
  if (!turn_began_ && session_ && session_->HasMore()) BeginTurn(began);
}

// One message for each call, as if it came now: what JavaScript has put off until after it runs in between.
void Consumer::GoOn(Napi::Env env, const Napi::Function& receive) {
  if (waiting_.empty()) return;
  if (!turn_began_) BeginTurn(Clock::now());
  if (TurnIsOver()) return;
  const std::unique_ptr<Packet> packet = std::move(waiting_.front());
  waiting_.pop_front();
  Deliver(env, receive, *packet);
  if (!waiting_.empty()) function_.NonBlockingCall();
}

bool Consumer::TurnIsOver() const { return turn_began_ && Clock::now() - *turn_began_ > kTurn; }

// What is called after the turn keeps the process alive: so not for a consumer that must not.
void Consumer::BeginTurn(Clock::time_point when) {
  if (!keeps_alive_) return;
  turn_began_ = when;
  after_turn_.Value().Call({});
}

// turn(): all else has had its turn.
void Consumer::Turn(const Napi::CallbackInfo& /*info*/) {
  turn_began_.reset();
  if (!waiting_.empty()) function_.NonBlockingCall();
}

void Consumer::Deliver(Napi::Env env, const Napi::Function& receive, const Packet& packet) {
  if (session_) session_->Taken(packet.kind);
  // Its thread is done, and others may begin when JavaScript hears of it.
  if (packet.kind == PacketKind::kEnd && session_) End();
  const Napi::Value json = ToString(env, packet.json);
  const Napi::Value data = DataOf(env, packet);
  // While a worker is being terminated nothing can be made or called, and no exception says so.
  if (!json.IsEmpty() && !data.IsEmpty()) {
    const size_t offset = packet.place ? packet.place->offset : 0;
    const size_t length = packet.place ? packet.place->size : packet.data.size();
    receive.Call({json, data, Napi::Number::New(env, static_cast<double>(offset)),
                  Napi::Number::New(env, static_cast<double>(length))});
  }
  if (env.IsExceptionPending()) {
    // A listener has thrown. That is an uncaught exception, as with any EventEmitter; the session goes on.
    napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }
}

Napi::Value Consumer::DataOf(Napi::Env env, const Packet& packet) {
  while (packet.place && slabs_.front().number != packet.place->slab) slabs_.pop_front();
  if (packet.kind == PacketKind::kBatch) LendSlabs(env);
  if (!packet.place) return ToArrayBuffer(env, packet.data);
  return slabs_.front().buffer.Value();
}

// One that is being filled and one that follows it. Who has no records needs none.
void Consumer::LendSlabs(Napi::Env env) {
  constexpr size_t kAhead = 2;
  while (session_ && slabs_.size() < kAhead) {
    std::shared_ptr<char> owner;
    Napi::ArrayBuffer buffer = pool_.Get(env, &owner);
    if (buffer.IsEmpty()) return;
    session_->Lend(next_slab_, static_cast<char*>(buffer.Data()), std::move(owner));
    slabs_.push_back({next_slab_++, Napi::Persistent(buffer)});
  }
}

// send(command), a Uint8Array
void Consumer::Send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsTypedArray()) {
    Napi::TypeError::New(env, "send takes a command, a Uint8Array").ThrowAsJavaScriptException();
    return;
  }
  if (!session_) {
    ThrowWithCode(env, "ERR_DTRACE_STATE", "the session has ended");
    return;
  }
  const auto command = info[0].As<Napi::Uint8Array>();
  if (!Dispatch(*session_, reinterpret_cast<const char*>(command.Data()), command.ByteLength())) {
    Napi::TypeError::New(env, "send takes a command of this version").ThrowAsJavaScriptException();
  }
}

// dispose(processEnds): ends the session's thread, which says so with its last message. Any number of times.
void Consumer::Dispose(const Napi::CallbackInfo& info) {
  if (!session_) return;
  if (!info[0].ToBoolean()) {
    session_->End();
    return;
  }
  Session::LeaveAtEndOfProcess(std::move(session_));
  End();
}

void Consumer::End() {
  session_.reset();
  slabs_.clear();
  waiting_.clear();
  // They refer to the one who refers to this.
  after_turn_.Reset();
  // Not Release(): what the session has still sent, when it ended before its time, finds nobody any more.
  function_.Abort();
  napi_remove_env_cleanup_hook(Env(), OnExit, this);
}

void Consumer::Ref(const Napi::CallbackInfo& info) {
  keeps_alive_ = true;
  if (session_) function_.Ref(info.Env());
}

void Consumer::Unref(const Napi::CallbackInfo& info) {
  keeps_alive_ = false;
  if (session_) function_.Unref(info.Env());
}

}  // namespace dtc
