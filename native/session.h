// The DTrace thread: takes commands in their order, and between them looks into the buffers, at libdtrace's pace.
//
// Everything public may be called from any thread; libdtrace is called on the session's own thread only, by Tracing.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "in_flight.h"
#include "message.h"
#include "protocol.h"
#include "tracing.h"

namespace dtc {

class Session {
 public:
  // Takes every message, in order, on the session's thread; must not block.
  using Sink = std::function<void(Message)>;
  // What a command does, on the session's thread.
  using Task = std::function<Result(Tracing&)>;

  // One session at a time in a process: two live handles do not work with libdtrace 2. Null while another is live.
  static std::unique_ptr<Session> Start(Sink sink, ShowPid show_pid = nullptr);
  // Ends the session, removes its probes, and joins the thread; what is still queued is answered with a failure.
  ~Session();
  // The same, without waiting: Ended is the last message then.
  void End();
  // The process is to end with this session: see Tracing.
  void ProcessEnds() { tracing_.ProcessEnds(); }
  // The process ends now. Waits until the probes are taken away, which nobody would do otherwise, and leaves the thread
  // to whatever it still has to free. Nothing is told any more.
  static void LeaveAtEndOfProcess(std::unique_ptr<Session> session);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // The first command.
  void Open(uint32_t id, OpenRequest request);
  // The session ends when it could not be opened.
  void Post(uint32_t id, Task task);
  // The last command: answered when nothing is traced any more. Ended follows when all is freed.
  void Close(uint32_t id);
  // On the caller's thread, at once: answers with the milliseconds for which the DTrace thread has been inside one call
  // of libdtrace that ought to be short (dtrace_work(), not a command), so that a caller elsewhere can tell that it
  // hangs.
  void Ping(uint32_t id);

  // JavaScript has taken so many: room for as many more.
  void Taken(PacketKind kind, int count = 1);
  // Some of those that come in numbers have been sent and not taken.
  bool HasMore() const { return in_flight_.batches > 0 || in_flight_.faults > 0; }
  // Memory of Slabs::kSize bytes for batches to come, which is there for as long as the session.
  void Lend(uint32_t slab, char* data, std::shared_ptr<void> owner) { slabs_.Lend(slab, data, std::move(owner)); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Command {
    uint32_t id;
    Task task;
    bool opens = false;   // the one command that needs no handle
    bool closes = false;  // the last one
  };

  Session(Sink sink, ShowPid show_pid);

  void Add(Command command);
  void LookAtProcesses();
  void Run();
  void TakeCommands();
  void FreeAll();
  // What there is to do before the next look into the buffers.
  struct Turn {
    std::deque<Command> commands;
    bool processes_end = false;
  };
  std::optional<Turn> WaitForTurn();
  bool MustAct() const { return abandoned_ || processes_end_ || !commands_.empty(); }
  void Work();
  void LookOnce();
  void TellOfProcesses();

  const Sink sink_;

  // Shared between the threads.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Command> commands_;
  bool ended_ = false;  // the thread takes no more commands
  bool abandoned_ = false;
  bool processes_end_ = false;  // some may have ended
  bool probes_are_away_ = false;
  bool silent_ = false;  // nobody is there to be told of the end
  InFlight in_flight_;
  Slabs slabs_;
  std::atomic<int64_t> working_since_{0};  // milliseconds of the steady clock; 0: not in dtrace_work()
  platform::Wakeup wakeup_;

  // The session thread's own.
  Tracing tracing_;
  Clock::time_point last_work_;

  std::thread thread_;  // last: starts when everything else is there
};

}  // namespace dtc
