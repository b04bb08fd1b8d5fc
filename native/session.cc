#include "session.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "json.h"
#include "signals_held_back.h"

namespace dtc {
namespace {

std::atomic<bool> session_is_live{false};  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): the process's

// How often exit() and drops are looked for: with each dtrace_work(), but no oftener than this.
constexpr const char* kStatusrate = "10ms";
// dtrace_work() with a switchrate of a microsecond returns at once; with 0 it waits for data, up to a second.
constexpr const char* kDoNotWait = "1us";
constexpr const char* kWaitForData = "0";
// With order: 'time'. A firing's time is taken a moment before it is in the buffer; a processor that was taken away in
// between comes back within this.
constexpr std::chrono::nanoseconds kMostLateness = std::chrono::milliseconds(10);
// While firings wait, nothing wakes the thread but time.
constexpr std::chrono::nanoseconds kLeastInterval = std::chrono::milliseconds(1);
constexpr const char* kProcfsPath = "procfspath";
constexpr const char* kSwitchrate = "switchrate";
// Where libdtrace 2 stops a process that it starts, which it is not asked to do here. With any other value it sets a
// breakpoint at the first instruction of those that it only holds, too, and leaves it there.
constexpr const char* kEvaltime = "evaltime";
constexpr const char* kEvaltimeExec = "exec";

const char* DropKind(dtrace_dropkind_t kind) {
  switch (kind) {
    case DTRACEDROP_PRINCIPAL:
      return "principal";
    case DTRACEDROP_AGGREGATION:
      return "aggregation";
    case DTRACEDROP_DYNAMIC:
      return "dynamic";
    case DTRACEDROP_DYNRINSE:
      return "dynamic-rinse";
    case DTRACEDROP_DYNDIRTY:
      return "dynamic-dirty";
    case DTRACEDROP_SPEC:
      return "speculation";
    case DTRACEDROP_SPECBUSY:
      return "speculation-busy";
    case DTRACEDROP_SPECUNAVAIL:
      return "speculation-unavailable";
    case DTRACEDROP_STKSTROVERFLOW:
      return "stack-string-overflow";
    case DTRACEDROP_DBLERROR:
      return "error-in-error-probe";
  }
  return "unknown";
}

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
    : sink_(std::move(sink)), show_pid_(show_pid), thread_(&Session::Run, this) {}

Session::~Session() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    abandoned_ = true;
  }
  changed_.notify_all();
  wakeup_.Signal();
  thread_.join();
  session_is_live = false;
}

void Session::ProcessEnds() {
  const std::lock_guard<std::mutex> lock(mutex_);
  process_ends_ = true;
}

void Session::Post(uint32_t id, Task task, bool opens) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!ended_) {
      commands_.push_back({id, std::move(task), opens});
      changed_.notify_all();
      wakeup_.Signal();
      return;
    }
  }
  sink_(Reply{id, Failure{"ERR_DTRACE_STATE", "the session has ended"}});
}

void Session::Open(uint32_t id, OpenRequest request) {
  Post(
      id, [this, request = std::move(request)] { return DoOpen(request); }, true);
}
void Session::SetOption(uint32_t id, std::string name, std::optional<std::string> value) {
  Post(id, [this, name = std::move(name), value = std::move(value)] { return DoSetOption(name, value); });
}
void Session::GetOption(uint32_t id, std::string name) {
  Post(id, [this, name = std::move(name)] { return DoGetOption(name); });
}
void Session::SetExtras(uint32_t id, Extras extras) {
  Post(id, [this, extras] { return DoSetExtras(extras); });
}
void Session::Compile(uint32_t id, CompileRequest request) {
  Post(id, [this, request = std::move(request)] { return DoCompile(request); });
}
void Session::Enable(uint32_t id, uint32_t program) {
  Post(id, [this, program] { return DoEnable(program); });
}
void Session::Prepare(uint32_t id) {
  Post(id, [this] { return DoPrepare(); });
}
void Session::Go(uint32_t id) {
  Post(id, [this] { return DoGo(); });
}
void Session::Stop(uint32_t id) {
  Post(id, [this] { return DoStop(); });
}
void Session::Close(uint32_t id) {
  Post(id, [this] { return DoClose(); });
}
void Session::Snapshot(uint32_t id, AggregationRequest request) {
  Post(id, [this, request = std::move(request)] { return aggregations_->Snapshot(request); });
}

void Session::CreateProcess(uint32_t id, platform::ProcessRequest request) {
  Post(id, [this, request = std::move(request)] { return processes_->Create(request); });
}
void Session::GrabProcess(uint32_t id, pid_t pid, bool hold) {
  Post(id, [this, pid, hold] { return processes_->Grab(pid, hold); });
}
void Session::ContinueProcess(uint32_t id, pid_t pid) {
  Post(id, [this, pid] { return processes_->Continue(pid); });
}
void Session::ReleaseProcess(uint32_t id, pid_t pid) {
  Post(id, [this, pid] { return processes_->Release(pid); });
}
void Session::SignalProcess(uint32_t id, pid_t pid, int signal) {
  Post(id, [this, pid, signal] { return processes_->Signal(pid, signal); });
}

// On the thread that watches the processes.
void Session::LookAtProcesses() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ended_) return;
  commands_.push_back({std::nullopt, [this] {
                         processes_end_ = true;
                         return Success{};
                       }});
  changed_.notify_all();
  wakeup_.Signal();
}

void Session::ListProbes(uint32_t id, ProbeFilter filter, bool details) {
  Post(id, [this, filter = std::move(filter), details] { return probes_->Begin(filter, details); });
}
void Session::MoreProbes(uint32_t id, uint32_t listing) {
  Post(id, [this, listing] { return probes_->More(listing); });
}
void Session::EndProbes(uint32_t id, uint32_t listing) {
  Post(id, [this, listing]() -> Result {
    probes_->End(listing);
    return Success{};
  });
}

void Session::Ping(uint32_t id) {
  const int64_t since = working_since_;
  sink_(Reply{id, Success{json::Text(since == 0 ? 0 : NowMs() - since)}});
}

void Session::Taken(PacketKind kind) {
  if (kind == PacketKind::kFault) faults_in_flight_--;
  // The thread waits only when the count is at its limit, so only that step needs to wake it.
  if (kind == PacketKind::kBatch && batches_in_flight_.fetch_sub(1) == kBatchesInFlight) {
    const std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_all();
  }
}

// ---- From here on: the DTrace thread ----

void Session::Run() {
  std::deque<Command> commands;
  bool closed = false;
  while (!closed && WaitForTurn(&commands)) {
    for (Command& command : commands) {
      const bool has_handle = command.opens || handle_;
      Result result = has_handle ? command.task() : Failure{"ERR_DTRACE_STATE", "the session is not open"};
      closed = closed || (!handle_ && !library_);  // an open that failed, or a close
      if (command.id) sink_(Reply{*command.id, std::move(result)});
    }
    commands.clear();
    if (running_ && !closed) Work();
    if (processes_end_ && !closed) TellOfProcesses();
  }
  DoClose();
  std::deque<Command> late;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
    late.swap(commands_);
  }
  for (const Command& command : late) {
    if (command.id) sink_(Reply{*command.id, Failure{"ERR_DTRACE_STATE", "the session has ended"}});
  }
}

// At the end of the process: what libdtrace has is given to the kernel, which is about to take all of it.
void Session::LeaveQuickly() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!process_ends_) return;
  }
  if (!handle_) return;
  leave_.TakeProbesAway();
  handle_->Abandon();
  [[maybe_unused]] const Library* abandoned = library_.release();
}

// Waits until there is a command, or until it is time to look into the buffers. False when the session is given up.
bool Session::WaitForTurn(std::deque<Command>* commands) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto must_act = [this] { return abandoned_ || !commands_.empty(); };
  if (!running_) {
    changed_.wait(lock, must_act);
  } else {
    // One look per switchrate under load: the data of that time makes one batch. When nothing has come for longer
    // than that, the time is past already, and dtrace_work() itself waits for the first record.
    changed_.wait_until(lock, last_work_ + Interval(), must_act);
    changed_.wait(lock, [&] { return must_act() || batches_in_flight_ < kBatchesInFlight; });
  }
  if (abandoned_) return false;
  commands->swap(commands_);
  return true;
}

void Session::Work() {
  wakeup_.Clear();
  {
    // A command that came before Clear() took its signal away must not wait for data to come.
    const std::lock_guard<std::mutex> lock(mutex_);
    if (abandoned_ || !commands_.empty()) return;
  }
  const bool held = recorder_->holds();
  const Clock::time_point looked = Clock::now();
  // There may be nothing to wait for any more.
  if (processes_end_) wakeup_.Signal();
  working_since_ = NowMs();
  const auto status = library_->dtrace_work(handle_->get(), recorder_->output(), OnProbeData, OnRecord, this);
  working_since_ = 0;
  last_work_ = Clock::now();
  if (status == DTRACE_WORKSTATUS_ERROR && handle_->Errno() != EINTR) {
    Fail("ERR_DTRACE_SESSION");
  } else if (status == DTRACE_WORKSTATUS_DONE) {
    Finish();
    sink_(Exit{exit_status_.value_or(0)});
  } else {
    // What was recorded a switchrate before this look has been read by now: the look before this one left nothing of
    // it, and what a processor was still writing then is here, too.
    Release(looked - Interval() - std::max(Interval(), kMostLateness));
    Flush();
    if (recorder_->holds() != held) Pace();
  }
}

// Runs END and takes what is left. After the end of tracing libdtrace has to be asked for it once more.
void Session::Finish() {
  running_ = false;
  stopped_ = true;
  if (library_->dtrace_stop(handle_->get()) != 0 || !SetSwitchrate(kDoNotWait)) {
    Fail("ERR_DTRACE_SESSION");
    return;
  }
  wakeup_.Clear();
  // Twice, since one call looks at as many descriptors as there are CPUs, and not all of them need be buffers.
  for (int i = 0; i < 2; i++) {
    const auto status = library_->dtrace_work(handle_->get(), recorder_->output(), OnProbeData, OnRecord, this);
    if (status == DTRACE_WORKSTATUS_ERROR && handle_->Errno() != EINTR) {
      Fail("ERR_DTRACE_SESSION");
      return;
    }
  }
  Release(Clock::time_point::max());
  Flush();
}

// After the records of what they did until then. Once more, as in Finish().
void Session::TellOfProcesses() {
  if (running_) Work();
  processes_end_ = false;
  for (const ProcessExited& process : processes_->Ended()) sink_(process);
}

void Session::Fail(const char* code) {
  running_ = false;
  stopped_ = true;
  Failure failure = refused_ ? *refused_ : LibraryFailure(code);
  Release(Clock::time_point::max());
  Flush();
  sink_(Died{std::move(failure)});
}

Failure Session::LibraryFailure(const char* code) const {
  const int error = handle_->Errno();
  return {code, handle_->Message(error), error};
}

Result Session::DoOpen(const OpenRequest& request) {
  if (handle_) return Failure{"ERR_DTRACE_STATE", "the session is open already"};
  std::string error;
  platform::RemoveLeftovers();
  leave_.Look();
  library_ = Library::Open(request.path, request.preload, &error);
  if (!library_) return Failure{"ERR_DTRACE_LIBRARY_NOT_FOUND", error};
  library_path_ = request.path;

  // dtrace_open() asks for the macro variable $pid alone (dtrace_update(), dt_module.c); whatever else needs the number
  // of this process, such as BEGIN's probe, asks later.
  int open_error = 0;
  if (show_pid_ != nullptr) show_pid_(static_cast<pid_t>(request.owner));
  dtrace_hdl_t* opened = library_->dtrace_open(DTRACE_VERSION, 0, &open_error);
  if (show_pid_ != nullptr) show_pid_(0);
  if (opened == nullptr) {
    Failure failure{"ERR_DTRACE_OPEN", library_->dtrace_errmsg(nullptr, open_error), open_error};
    if (open_error == EACCES || open_error == EPERM) failure.code = "ERR_DTRACE_PERMISSION";
    library_.reset();
    return failure;
  }
  handle_ = std::make_unique<Handle>(*library_, opened);

  Result result = Success{json::Object().Put("version", library_->Version()).Put("pid", getpid()).Done()};
  if (library_->dtrace_setopt(handle_->get(), "statusrate", kStatusrate) != 0 ||
      (platform::kSetsBreakpoints && library_->dtrace_setopt(handle_->get(), kEvaltime, kEvaltimeExec) != 0)) {
    result = LibraryFailure("ERR_DTRACE_OPTION");
    DoClose();
    return result;
  }
  for (const auto& [name, value] : request.options) {
    Result set = DoSetOption(name, value);
    if (auto* failure = std::get_if<Failure>(&set)) {
      failure->reason = name + ": " + failure->reason;
      result = std::move(set);
      break;
    }
  }
  if (!std::holds_alternative<Failure>(result)) {
    if (platform::kHasInit && library_->dtrace_init(handle_->get()) != 0) result = LibraryFailure("ERR_DTRACE_OPEN");
  }
  if (std::holds_alternative<Failure>(result)) {
    DoClose();
  } else {
    symbols_ = std::make_unique<Symbols>(*library_, handle_->get());
    DoSetExtras({});
    probes_ = std::make_unique<Probes>(*library_, handle_->get());
    aggregations_ = std::make_unique<Aggregations>(*library_, handle_->get(), symbols_.get());
    processes_ = std::make_unique<Processes>(*library_, handle_->get(), [this] { LookAtProcesses(); });
  }
  return result;
}

Result Session::DoSetOption(const std::string& name, const std::optional<std::string>& value) {
  if (library_->dtrace_setopt(handle_->get(), name.c_str(), value ? value->c_str() : nullptr) != 0) {
    return LibraryFailure("ERR_DTRACE_OPTION");
  }
  own_procfs_ = own_procfs_ || name == kProcfsPath;
  if (name == kSwitchrate) {
    // libdtrace parses it, this thread keeps it: see WaitForTurn.
    dtrace_optval_t rate = 0;
    library_->dtrace_getopt(handle_->get(), kSwitchrate, &rate);
    switchrate_ = std::chrono::nanoseconds(static_cast<int64_t>(rate));
    if (running_) Pace();
  }
  return Success{};
}

Result Session::DoGetOption(const std::string& name) {
  if (name == kSwitchrate) return Success{json::Text(switchrate_.count())};
  dtrace_optval_t value = 0;
  if (library_->dtrace_getopt(handle_->get(), name.c_str(), &value) != 0) return LibraryFailure("ERR_DTRACE_OPTION");
  return Success{json::Text(static_cast<int64_t>(value))};
}

Result Session::DoSetExtras(Extras extras) {
  if (!programs_.empty()) return Failure{"ERR_DTRACE_STATE", "a program is compiled already"};
  sources_ = std::make_unique<Sources>(*library_, handle_->get(), extras, sink_);
  recorder_ = std::make_unique<Recorder>(extras, *symbols_);
  return Success{};
}

// How often the buffers are looked into: while firings wait for their turn it can't be left to the next one's coming.
std::chrono::nanoseconds Session::Interval() const {
  return recorder_->holds() ? std::max(switchrate_, kLeastInterval) : switchrate_;
}

// What cannot be woken must not wait: then this thread looks once per switchrate.
void Session::Pace() { SetSwitchrate(can_wait_ && !recorder_->holds() ? kWaitForData : kDoNotWait); }

bool Session::SetSwitchrate(const char* value) {
  return library_->dtrace_setopt(handle_->get(), kSwitchrate, value) == 0;
}

Result Session::DoCompile(const CompileRequest& request) {
  if (enabled_) return Failure{"ERR_DTRACE_STATE", "a program is enabled already"};
  std::vector<char*> arguments;
  for (const std::string& argument : request.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  // As a file, though it is a string: from a string, libdtrace 2.0.7 aborts the process at an unclosed brace (an
  // assertion in dt_lex.l), gives no line numbers, and does not know `#!`.
  const std::string source = request.source + "\n";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fmemopen(const_cast<char*>(source.data()), source.size(), "r"),
                                                   std::fclose);
  if (!file) return Failure{"ERR_DTRACE_COMPILE", std::strerror(errno), errno};
  dtrace_prog_t* program = library_->dtrace_program_fcompile(handle_->get(), file.get(), request.flags,
                                                             static_cast<int>(arguments.size()), arguments.data());
  if (program == nullptr) return LibraryFailure("ERR_DTRACE_COMPILE");
  programs_.push_back(program);
  sources_->Expect(static_cast<uint32_t>(programs_.size() - 1), program);
  return Success{json::Object().Put("program", programs_.size() - 1).PutJson("gap", FollowsGap(program)).Done()};
}

// A program that fails to compile may leave places in libdtrace's table of clauses (dt_stmts) that nothing is ever put
// into, and dtrace_go() crashes on them. The next program's clauses show it: their numbers do not follow the last ones.
const char* Session::FollowsGap(dtrace_prog_t* program) {
  struct Range {
    std::optional<uint32_t> first, last;
  } range;
  const auto widen = [](dtrace_hdl_t* /*handle*/, dtrace_prog_t* /*program*/, dtrace_stmtdesc_t* clause, void* to) {
    auto& [first, last] = *static_cast<Range*>(to);
    last = platform::StatementNumber(*clause);
    if (!first) first = last;
    return 0;
  };
  library_->dtrace_stmt_iter(handle_->get(), program, widen, &range);
  const uint32_t expected = next_statement_;
  if (range.last) next_statement_ = *range.last + 1;
  if (!range.first) return "null";
  return *range.first == expected ? "false" : "true";
}

Result Session::DoPrepare() {
  char nothing[] = "\n";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fmemopen(nothing, 1, "r"), std::fclose);
  if (!file) return Failure{"ERR_DTRACE_COMPILE", std::strerror(errno), errno};
  // Without statements it need not be enabled: see Consumer.go().
  dtrace_prog_t* program = library_->dtrace_program_fcompile(handle_->get(), file.get(), DTRACE_C_EMPTY, 0, nullptr);
  if (program == nullptr) return LibraryFailure("ERR_DTRACE_COMPILE");
  return Success{};
}

Result Session::DoEnable(uint32_t program) {
  if (program >= programs_.size()) {
    return Failure{"ERR_DTRACE_ARGUMENT", "no such program in this session"};
  }
  // libdtrace 2.0.7 sizes its table of statements when the first program is enabled, by what has been compiled until
  // then, and writes past its end for what is compiled later (dt_prog_stmt; seen with valgrind). The handlers compile a
  // clause.
  if (!enabled_ && !InstallHandlers()) return LibraryFailure("ERR_DTRACE_ENABLE");
  enabled_ = true;
  dtrace_proginfo_t info = {};
  if (library_->dtrace_program_exec(handle_->get(), programs_[program], &info) != 0) {
    return LibraryFailure("ERR_DTRACE_ENABLE");
  }
  return Success{json::Object()
                     .Put("matches", info.dpi_matches)
                     .Put("aggregations", info.dpi_aggregates)
                     .Put("recordGenerators", info.dpi_recgens)
                     .Put("speculations", info.dpi_speculations)
                     .PutJson("descriptionStability", ToJson(*library_, info.dpi_descattr))
                     .PutJson("statementStability", ToJson(*library_, info.dpi_stmtattr))
                     .Done()};
}

// libdtrace compiles a clause for dtrace:::ERROR here, so options and D libraries must be settled by now.
bool Session::InstallHandlers() {
  const int errors = library_->dtrace_handle_err(
      handle_->get(),
      [](const dtrace_errdata_t* data, void* self) {
        static_cast<Session*>(self)->OnFault(*data);
        return DTRACE_HANDLE_OK;
      },
      this);
  const int drops = library_->dtrace_handle_drop(
      handle_->get(),
      [](const dtrace_dropdata_t* data, void* self) {
        const char* message = data->dtdda_msg == nullptr ? "" : data->dtdda_msg;
        static_cast<Session*>(self)->sink_(Drop{DropKind(data->dtdda_kind), static_cast<uint32_t>(data->dtdda_cpu),
                                                data->dtdda_drops, data->dtdda_total, message});
        return DTRACE_HANDLE_OK;
      },
      this);
  const int options = library_->dtrace_handle_setopt(
      handle_->get(),
      [](const dtrace_setoptdata_t* data, void* self) {
        static_cast<Session*>(self)->OnOption(*data);
        return DTRACE_HANDLE_OK;
      },
      this);
  return errors == 0 && drops == 0 && options == 0;
}

Result Session::DoGo() {
  wakeup_.Look();
  if (Go() != 0) {
    Failure failure = LibraryFailure("ERR_DTRACE_ENABLE");
    if (failure.error == EPERM || failure.error == EACCES) failure.code = "ERR_DTRACE_PERMISSION";
    return failure;
  }
  // `#pragma D option switchrate` has its effect now, unless setOption was used: libdtrace's value is the last word.
  dtrace_optval_t rate = 0;
  if (library_->dtrace_getopt(handle_->get(), kSwitchrate, &rate) == 0) {
    switchrate_ = std::chrono::nanoseconds(static_cast<int64_t>(rate));
  }
  can_wait_ = wakeup_.Join();
  Pace();
  if (!can_wait_ && switchrate_.count() == 0) switchrate_ = std::chrono::milliseconds(1);
  running_ = true;
  return Success{};
}

int Session::Go() {
  const SignalsHeldBack held_back;
  if (own_procfs_) return platform::Go(library_->dtrace_go, handle_->get());
  const platform::ProcfsView view(library_path_);
  if (!view.path().empty()) library_->dtrace_setopt(handle_->get(), kProcfsPath, view.path().c_str());
  const int result = platform::Go(library_->dtrace_go, handle_->get());
  // The view goes away; a setopt that succeeds leaves the error of a go that has failed.
  if (!view.path().empty()) library_->dtrace_setopt(handle_->get(), kProcfsPath, "/proc");
  return result;
}

Result Session::DoStop() {
  if (running_) Finish();
  return Success{};
}

Result Session::DoClose() {
  LeaveQuickly();
  running_ = false;
  recorder_.reset();
  aggregations_.reset();
  probes_.reset();
  sources_.reset();
  symbols_.reset();
  if (processes_) processes_->EndCreated();
  handle_.reset();
  processes_.reset();
  library_.reset();
  return Success{};
}

void Session::OnFault(const dtrace_errdata_t& data) {
  const char* name = library_->dtrace_faultstr(data.dteda_handle, data.dteda_fault);
  const uint32_t counted = fault_ ? fault_->count : 0;
  fault_ = Fault{counted + 1,
                 NameOf(*data.dteda_pdesc),
                 static_cast<uint32_t>(data.dteda_cpu),
                 data.dteda_fault,
                 name == nullptr ? "" : name,
                 data.dteda_addr,
                 data.dteda_msg == nullptr ? "" : data.dteda_msg};
  if (faults_in_flight_ < kFaultsInFlight) FlushFaults();
}

void Session::FlushFaults() {
  if (!fault_) return;
  faults_in_flight_++;
  sink_(std::move(*fault_));
  fault_.reset();
}

// setopt() in a clause: libdtrace has set the option by now.
void Session::OnOption(const dtrace_setoptdata_t& data) {
  const std::string name = data.dtsda_option;
  const auto value = static_cast<int64_t>(data.dtsda_newval);
  auto previous = static_cast<int64_t>(data.dtsda_oldval);
  if (name == kSwitchrate) {
    // The value that libdtrace had was this thread's, see Pace.
    previous = switchrate_.count();
    switchrate_ = std::chrono::nanoseconds(value);
    Pace();
  }
  sink_(OptionSet{NameOf(*data.dtsda_probe->dtpda_pdesc), name, value, previous});
}

int Session::OnProbeData(const dtrace_probedata_t* data, void* self) {
  return static_cast<Session*>(self)->OnProbe(*data);
}

// Each value has been taken by the probe callback. libdtrace only does what a program asks it to do, and prints what it
// was asked for.
int Session::OnRecord(const dtrace_probedata_t* /*data*/, const dtrace_recdesc_t* record, void* self) {
  auto* session = static_cast<Session*>(self);
  if (record == nullptr) {
    session->recorder_->EndText();
    if (session->acting_ != nullptr) session->aggregations_->EndFiring();
    return DTRACE_CONSUME_NEXT;
  }
  if (record->dtrd_action == DTRACEACT_PRINTA && !session->PutPrinted(*record)) return session->AbortByLibrary();
  if (record->dtrd_action == DTRACEACT_SYSTEM) return DTRACE_CONSUME_THIS;
  // dtrace(1) does not print the status either.
  const bool prints = session->recorder_->output() != nullptr && record->dtrd_action != DTRACEACT_EXIT;
  return prints ? DTRACE_CONSUME_THIS : DTRACE_CONSUME_NEXT;
}

int Session::OnProbe(const dtrace_probedata_t& data) {
  const Source& source = sources_->Of(data);
  const Statement& statement = *source.statement;
  if (statement.refusal) return Refuse(*statement.refusal, data);
  if (recorder_->batch().size() >= kBatchSize) Flush();
  acting_ = statement.acts_on_aggregations ? &statement : nullptr;
  acting_data_ = data.dtpda_data;
  if (acting_ != nullptr && !aggregations_->BeginFiring()) return AbortByLibrary();
  recorder_->Take(source, data);
  if (source.exit_field != nullptr) {
    int32_t status = 0;
    std::memcpy(&status, data.dtpda_data + source.exit_field->source_offset, sizeof status);
    exit_status_ = status;
  }
  // All values have been taken, so libdtrace can go on to the next record, unless it has something to do itself.
  const bool goes_on = statement.library_acts || sources_->speculate() || recorder_->output() != nullptr;
  return goes_on ? DTRACE_CONSUME_THIS : DTRACE_CONSUME_NEXT;
}

int Session::AbortByLibrary() {
  refused_ = LibraryFailure("ERR_DTRACE_SESSION");
  return DTRACE_CONSUME_ABORT;
}

// What the printa() that begins here prints; the variables that follow in it are this one's, too.
bool Session::PutPrinted(const dtrace_recdesc_t& record) {
  if (acting_ == nullptr) return true;
  const std::vector<Field>& fields = acting_->fields;
  const auto is_here = [&](const Field& field) {
    return field.kind == FieldKind::kAggregations && field.source_offset == record.dtrd_offset;
  };
  const auto first = std::find_if(fields.begin(), fields.end(), is_here);
  if (first == fields.end()) return true;
  std::vector<uint32_t> variables;
  for (auto field = first; field != fields.end() && field->source_action == record.dtrd_action; ++field) {
    if (field != first && field->kind == FieldKind::kAggregations) break;
    uint32_t variable = 0;
    std::memcpy(&variable, acting_data_ + field->source_offset, sizeof variable);
    variables.push_back(variable);
  }
  std::vector<char> bytes;
  if (!aggregations_->Print(variables, &bytes)) return false;
  recorder_->PutRows(*first, std::move(bytes));
  return true;
}

int Session::Refuse(const Refusal& refusal, const dtrace_probedata_t& data) {
  const ProbeName probe = NameOf(*data.dtpda_pdesc);
  refused_ = Failure{refusal.code, "at " + probe.provider + ":" + probe.module + ":" + probe.function + ":" +
                                       probe.name + ": " + refusal.reason};
  return DTRACE_CONSUME_ABORT;
}

// Of the firings that wait for their turn, those that happened by then.
void Session::Release(Clock::time_point until) {
  const auto time = std::chrono::duration_cast<std::chrono::nanoseconds>(until.time_since_epoch()).count();
  recorder_->Release(static_cast<uint64_t>(time), [this] {
    if (recorder_->batch().size() >= kBatchSize) Flush();
  });
}

// What was recorded, and what could not be, since the last time.
void Session::Flush() {
  if (faults_in_flight_ < kFaultsInFlight || stopped_) FlushFaults();
  RecordBatch& records = recorder_->batch();
  if (records.empty()) return;
  Batch batch{std::vector<char>(records.size())};
  records.Finish(batch.data.data());
  batches_in_flight_++;
  sink_(std::move(batch));
}

}  // namespace dtc
