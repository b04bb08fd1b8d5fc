// What JavaScript holds: a session in this process, and the thread-safe function that brings its messages.
// JavaScript thread only, except the sink.
#pragma once

#include <napi.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "protocol.h"
#include "session.h"
#include "slab_pool.h"

namespace dtc {

class Consumer : public Napi::ObjectWrap<Consumer> {
 public:
  static Napi::Function Define(Napi::Env env);

  // new NativeConsumer(receive, afterTurn): receive(json, data, offset, length) is called for every message of the
  // session, in order. afterTurn() is called when many come: it has turn() called once all else has had its turn in the
  // event loop.
  explicit Consumer(const Napi::CallbackInfo& info);
  ~Consumer() override;
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

 private:
  static void CallJs(Napi::Env env, Napi::Function receive, Consumer* consumer, Packet* taken);
  static void OnExit(void* consumer);
  using Clock = std::chrono::steady_clock;
  using Function = Napi::TypedThreadSafeFunction<Consumer, Packet, CallJs>;

  void Send(const Napi::CallbackInfo& info);
  void Turn(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);
  void Ref(const Napi::CallbackInfo& info);
  void Unref(const Napi::CallbackInfo& info);

  void End();
  void Arrive(Napi::Env env, const Napi::Function& receive, std::unique_ptr<Packet> packet);
  void GoOn(Napi::Env env, const Napi::Function& receive);
  void Deliver(Napi::Env env, const Napi::Function& receive, const Packet& packet);
  bool TurnIsOver() const;
  void BeginTurn(Clock::time_point when);
  Napi::Value DataOf(Napi::Env env, const Packet& packet);
  void LendSlabs(Napi::Env env);

  Function function_;
  // Node calls for as long as there are messages, up to a thousand, and nothing else of this thread runs meanwhile. So
  // when more than one is there, a turn of the event loop is measured, and what has no room in it waits for the next.
  std::deque<std::unique_ptr<Packet>> waiting_;
  Napi::FunctionReference after_turn_;
  std::optional<Clock::time_point> turn_began_;  // one that is measured; ended by turn()
  bool keeps_alive_ = false;
  std::unique_ptr<Session> session_;

  struct Slab {
    uint32_t number;
    Napi::Reference<Napi::ArrayBuffer> buffer;
  };
  SlabPool pool_;
  std::deque<Slab> slabs_;  // lent and not used up, in the order in which they are used
  uint32_t next_slab_ = 0;
};

}  // namespace dtc
