#include "session.h"

#include <utility>

#include "json.h"

namespace dtc {
namespace {

std::atomic<bool> session_is_live{false};  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): the process's

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::unique_ptr<Session> Session::Start(Sink sink, ShowPid show_pid) {
  if (session_is_live.exchange(true)) return nullptr;
  return std::unique_ptr<Session>(new Session(std::move(sink), show_pid));
}

Session::Session(Sink sink, ShowPid show_pid)
    : sink_(std::move(sink)),
      tracing_({sink_, show_pid, wakeup_, in_flight_, slabs_, [this] { LookAtProcesses(); }}),
      thread_(&Session::Run, this) {}

Session::~Session() {
  End();
  thread_.join();
  session_is_live = false;
}

void Session::End() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    abandoned_ = true;
  }
  changed_.notify_all();
  wakeup_.Signal();
}

void Session::LeaveAtEndOfProcess(std::unique_ptr<Session> session) {
  session->ProcessEnds();
  session->End();
  {
    std::unique_lock<std::mutex> lock(session->mutex_);
    session->changed_.wait(lock, [&] { return session->probes_are_away_; });
    session->silent_ = true;
  }
  session->thread_.detach();
  // Its thread may still be in it.
  [[maybe_unused]] const Session* left = session.release();
}

void Session::Open(uint32_t id, OpenRequest request) {
  Add({id, [request = std::move(request)](Tracing& tracing) { return tracing.Open(request); }, true});
}

void Session::Post(uint32_t id, Task task) { Add({id, std::move(task)}); }

void Session::Close(uint32_t id) {
  Command command{id, [](Tracing& tracing) { return tracing.EndTracing(); }};
  command.closes = true;
  Add(std::move(command));
}

void Session::Add(Command command) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!ended_) {
      commands_.push_back(std::move(command));
      changed_.notify_all();
      wakeup_.Signal();
      return;
    }
  }
  sink_(Reply{command.id, Failure{"ERR_DTRACE_STATE", "the session has ended"}});
}

void Session::Ping(uint32_t id) {
  const int64_t since = working_since_;
  sink_(Reply{id, Success{json::Text(since == 0 ? 0 : NowMs() - since)}});
}

// On the thread that watches the processes.
void Session::LookAtProcesses() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ended_) return;
  processes_end_ = true;
  changed_.notify_all();
  wakeup_.Signal();
}

void Session::Taken(PacketKind kind, int count) {
  if (kind == PacketKind::kFault) in_flight_.faults -= count;
  if (kind != PacketKind::kBatch) return;
  // The thread waits only when the count is at its limit, so only the step below it needs to wake it.
  const int before = in_flight_.batches.fetch_sub(count);
  if (before >= InFlight::kMostBatches && before - count < InFlight::kMostBatches) {
    const std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_all();
  }
}

// ---- From here on: the DTrace thread ----

void Session::Run() {
  TakeCommands();
  std::deque<Command> late;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
    late.swap(commands_);
  }
  for (const Command& command : late) {
    sink_(Reply{command.id, Failure{"ERR_DTRACE_STATE", "the session has ended"}});
  }
  FreeAll();
}

// Until there will be no more.
void Session::TakeCommands() {
  bool closed = false;
  while (!closed) {
    const std::optional<Turn> turn = WaitForTurn();
    if (!turn) return;
    for (const Command& command : turn->commands) {
      const bool may = !closed && (command.opens || tracing_.is_open());
      Result result = may ? command.task(tracing_) : Failure{"ERR_DTRACE_STATE", "the session is not open"};
      closed = closed || command.closes || !tracing_.is_open();
      sink_(Reply{command.id, std::move(result)});
    }
    if (closed) return;
    if (turn->processes_end) TellOfProcesses();
    if (tracing_.running()) Work();
  }
}

void Session::FreeAll() {
  tracing_.Close([this] {
    const std::lock_guard<std::mutex> lock(mutex_);
    probes_are_away_ = true;
    changed_.notify_all();
  });
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!silent_) sink_(Ended{});
}

// Waits until there is something to do, or until it is time to look into the buffers. Nothing when the session is given
// up.
std::optional<Session::Turn> Session::WaitForTurn() {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto must_act = [this] { return MustAct(); };
  if (!tracing_.running()) {
    changed_.wait(lock, must_act);
  } else {
    // One look per switchrate under load: the data of that time makes one batch. When nothing has come for longer
    // than that, the time is past already, and dtrace_work() itself waits for the first record.
    const Clock::time_point next = last_work_ + tracing_.Interval();
    if (tracing_.quiet() && !MustAct()) {
      lock.unlock();
      tracing_.WaitUntil(next);  // as long as nobody signals
      lock.lock();
    } else if (Clock::now() < next) {  // a wait that is over would be a system call all the same
      changed_.wait_until(lock, next, must_act);
    }
    changed_.wait(lock, [&] { return must_act() || in_flight_.batches < InFlight::kMostBatches; });
  }
  if (abandoned_) return std::nullopt;
  return Turn{std::exchange(commands_, {}), std::exchange(processes_end_, false)};
}

// What came before Clear() took its signal away must not wait for data to come.
void Session::Work() {
  wakeup_.Clear();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (MustAct()) return;
  }
  LookOnce();
}

void Session::LookOnce() {
  // A second is the most that dtrace_work() waits for data. When it has done so, nothing came, and nothing will be
  // there to be gathered for a while: the next wait may begin at once.
  constexpr std::chrono::milliseconds kMostOfASecond(900);
  const Clock::time_point began = Clock::now();
  working_since_ = NowMs();
  tracing_.Work();
  working_since_ = 0;
  const Clock::time_point ended = Clock::now();
  last_work_ = ended - began > kMostOfASecond ? began : ended;
}

// After the records of what they did until then. Twice, as in Tracing::Finish(); there may be nothing to wait for any
// more.
void Session::TellOfProcesses() {
  for (int i = 0; i < 2 && tracing_.running(); i++) {
    wakeup_.Signal();
    LookOnce();
  }
  tracing_.TellOfProcesses();
}

}  // namespace dtc
