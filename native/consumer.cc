#include "consumer.h"

#include <utility>

#include "to_js.h"

namespace dtc {
namespace {

uint32_t Id(const Napi::CallbackInfo& info) { return info[0].As<Napi::Number>().Uint32Value(); }

std::string Text(const Napi::Value& value) { return value.As<Napi::String>().Utf8Value(); }

// A string, or null for an option without a value.
std::optional<std::string> OptionalText(const Napi::Value& value) {
  if (!value.IsString()) return std::nullopt;
  return Text(value);
}

std::vector<std::string> Texts(const Napi::Value& value) {
  std::vector<std::string> texts;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) texts.push_back(Text(array.Get(i)));
  return texts;
}

}  // namespace

Napi::Function Consumer::Define(Napi::Env env) {
  return DefineClass(env, "NativeConsumer",
                     {
                         InstanceMethod<&Consumer::Open>("open"),
                         InstanceMethod<&Consumer::SetOption>("setOption"),
                         InstanceMethod<&Consumer::GetOption>("getOption"),
                         InstanceMethod<&Consumer::Compile>("compile"),
                         InstanceMethod<&Consumer::Enable>("enable"),
                         InstanceMethod<&Consumer::Go>("go"),
                         InstanceMethod<&Consumer::Stop>("stop"),
                         InstanceMethod<&Consumer::Close>("close"),
                         InstanceMethod<&Consumer::Dispose>("dispose"),
                         InstanceMethod<&Consumer::Ref>("ref"),
                         InstanceMethod<&Consumer::Unref>("unref"),
                     });
}

Consumer::Consumer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Consumer>(info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsFunction()) {
    Napi::TypeError::New(env, "NativeConsumer needs a function that receives its messages")
        .ThrowAsJavaScriptException();
    return;
  }
  session_ = Session::Start([this](Message message) {
    auto handed_over = std::make_unique<Message>(std::move(message));
    // Refused only while the environment shuts down: then nobody is left to be told.
    if (function_.NonBlockingCall(handed_over.get()) == napi_ok) static_cast<void>(handed_over.release());
  });
  if (!session_) {
    Napi::Error error = Napi::Error::New(env, "another session is live in this process");
    error.Set("code", Napi::String::New(env, "ERR_DTRACE_BUSY"));
    error.ThrowAsJavaScriptException();
    return;
  }
  // The session says nothing before it is asked something, so its sink is complete in time.
  function_ =
      Function::New(env, info[0].As<Napi::Function>(), "dtrace-consumer", 0, 1, this,
                    [](Napi::Env /*env*/, void* /*data*/, Consumer* consumer) { consumer->ObjectWrap::Unref(); });
  if (env.IsExceptionPending()) return;
  function_.Unref(env);  // what keeps the process alive is decided by lib/consumer.ts
  // Until the function is finalized: messages that were on their way when the session ended still find this object.
  this->ObjectWrap::Ref();
  // After the thread-safe function was made, so that it runs before that one's own hook: the thread must be gone first.
  napi_add_env_cleanup_hook(env, OnExit, this);
}

void Consumer::OnExit(void* consumer) { static_cast<Consumer*>(consumer)->session_.reset(); }

Consumer::~Consumer() { session_.reset(); }

void Consumer::CallJs(Napi::Env env, Napi::Function receive, Consumer* consumer, Message* taken) {
  const std::unique_ptr<Message> message(taken);
  if (env == nullptr) return;
  if (consumer->session_) {
    if (std::holds_alternative<Batch>(*message)) consumer->session_->BatchTaken();
    if (std::holds_alternative<Fault>(*message)) consumer->session_->FaultTaken();
  }
  const Napi::HandleScope scope(env);
  const Napi::Value object = ToJs(env, *message);
  // While a worker is being terminated nothing can be made or called, and no exception says so.
  if (!object.IsEmpty()) receive.Call({object});
  if (env.IsExceptionPending()) {
    // A listener has thrown. That is an uncaught exception, as with any EventEmitter; the session goes on.
    napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }
}

Session* Consumer::Live(const Napi::CallbackInfo& info) {
  if (!session_) {
    Napi::Error error = Napi::Error::New(info.Env(), "the session has ended");
    error.Set("code", Napi::String::New(info.Env(), "ERR_DTRACE_STATE"));
    error.ThrowAsJavaScriptException();
  }
  return session_.get();
}

// open(id, path, preload, [name, value, name, value, …])
void Consumer::Open(const Napi::CallbackInfo& info) {
  Session* session = Live(info);
  if (session == nullptr) return;
  OpenRequest request{Text(info[1]), Texts(info[2]), {}};
  const auto options = info[3].As<Napi::Array>();
  for (uint32_t i = 0; i + 1 < options.Length(); i += 2) {
    request.options.emplace_back(Text(options.Get(i)), OptionalText(options.Get(i + 1)));
  }
  session->Open(Id(info), std::move(request));
}

void Consumer::SetOption(const Napi::CallbackInfo& info) {
  if (Session* session = Live(info)) session->SetOption(Id(info), Text(info[1]), OptionalText(info[2]));
}

void Consumer::GetOption(const Napi::CallbackInfo& info) {
  if (Session* session = Live(info)) session->GetOption(Id(info), Text(info[1]));
}

void Consumer::Compile(const Napi::CallbackInfo& info) {
  if (Session* session = Live(info)) {
    session->Compile(Id(info), {Text(info[1]), Texts(info[2]), info[3].As<Napi::Number>().Uint32Value()});
  }
}

void Consumer::Enable(const Napi::CallbackInfo& info) {
  if (Session* session = Live(info)) session->Enable(Id(info), info[1].As<Napi::Number>().Int64Value());
}

void Consumer::Go(const Napi::CallbackInfo& info) {
  if (Session* session = Live(info)) session->Go(Id(info));
}

void Consumer::Stop(const Napi::CallbackInfo& info) {
  if (Session* session = Live(info)) session->Stop(Id(info));
}

void Consumer::Close(const Napi::CallbackInfo& info) {
  if (Session* session = Live(info)) session->Close(Id(info));
}

// dispose(processEnds): ends the session's thread and lets the object go. Any number of times.
void Consumer::Dispose(const Napi::CallbackInfo& info) {
  if (session_ && info[0].ToBoolean()) session_->ProcessEnds();
  End();
}

void Consumer::End() {
  if (!session_) return;
  session_.reset();
  // Not Release(): what the session has still sent, when it ended before its time, finds nobody any more.
  function_.Abort();
  napi_remove_env_cleanup_hook(Env(), OnExit, this);
}

void Consumer::Ref(const Napi::CallbackInfo& info) {
  if (session_) function_.Ref(info.Env());
}

void Consumer::Unref(const Napi::CallbackInfo& info) {
  if (session_) function_.Unref(info.Env());
}

}  // namespace dtc
