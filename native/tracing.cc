#include "tracing.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include "drops.h"
#include "json.h"
#include "signals_held_back.h"

namespace dtc {
namespace {

// How often exit() and drops are looked for: with each dtrace_work(), but no oftener than this. It can't be changed
// while tracing.
constexpr std::chrono::milliseconds kStatusrate(10);
constexpr const char* kStatusrateText = "10ms";
// How often libdtrace looks itself, for drops and exit(), where it has no firings to take.
constexpr std::chrono::milliseconds kLibraryInterval(100);
// dtrace_work() with a switchrate of a microsecond returns at once; with 0 it waits for data, up to a second.
constexpr const char* kDoNotWait = "1us";
constexpr const char* kWaitForData = "0";
// With order: 'time'. A firing's time is taken a moment before it is in the buffer; a processor that was taken away in
// between comes back within this.
constexpr std::chrono::nanoseconds kMostLateness = std::chrono::milliseconds(10);
// While firings wait, nothing wakes the thread but time.
constexpr std::chrono::nanoseconds kLeastInterval = std::chrono::milliseconds(1);
// So many firings in one look are worth that the next ones wake nobody.
constexpr size_t kMany = 4;
// What the kernel passes over is asked for this often, or as seldom as costs next to nothing when there are many
// programs.
constexpr std::chrono::nanoseconds kMissesInterval = std::chrono::seconds(1);
constexpr std::chrono::nanoseconds kMissesIntervalOfOne = std::chrono::milliseconds(50);
constexpr const char* kProcfsPath = "procfspath";
constexpr const char* kSwitchrate = "switchrate";
// Where libdtrace 2 stops a process that it starts, which it is not asked to do here. With any other value it sets a
// breakpoint at the first instruction of those that it only holds, too, and leaves it there.
constexpr const char* kEvaltime = "evaltime";
constexpr const char* kEvaltimeExec = "exec";

}  // namespace

Failure Tracing::LibraryFailure(const char* code) const {
  const int error = handle_->Errno();
  return {code, handle_->Message(error), error};
}

// ---- Its life ----

Result Tracing::Open(const OpenRequest& request) {
  if (handle_) return Failure{"ERR_DTRACE_STATE", "the session is open already"};
  Result result = OpenHandle(request);
  if (std::holds_alternative<Success>(result)) {
    Result configured = Configure(request);
    if (std::holds_alternative<Failure>(configured)) result = std::move(configured);
  }
  if (std::holds_alternative<Failure>(result)) {
    Close([] {});
    return result;
  }
  symbols_ = std::make_unique<Symbols>(*library_, handle_->get());
  aggregations_ = std::make_unique<Aggregations>(*library_, handle_->get(), symbols_.get());
  probes_ = std::make_unique<Probes>(*library_, handle_->get());
  processes_ = std::make_unique<Processes>(*library_, handle_->get(), around_.processes_end);
  SetExtras({});
  return result;
}

Result Tracing::OpenHandle(const OpenRequest& request) {
  std::string error;
  platform::RemoveLeftovers();
  leave_.Look();
  library_ = Library::Open(request.path, request.preload, &error);
  if (!library_) return Failure{"ERR_DTRACE_LIBRARY_NOT_FOUND", error};
  library_path_ = request.path;

  // dtrace_open() asks for the macro variable $pid alone (dtrace_update(), dt_module.c); whatever else needs the number
  // of this process, such as BEGIN's probe, asks later.
  int open_error = 0;
  if (around_.show_pid != nullptr) around_.show_pid(static_cast<pid_t>(request.owner));
  dtrace_hdl_t* opened = library_->dtrace_open(DTRACE_VERSION, 0, &open_error);
  if (around_.show_pid != nullptr) around_.show_pid(0);
  if (opened == nullptr) {
    Failure failure{"ERR_DTRACE_OPEN", library_->dtrace_errmsg(nullptr, open_error), open_error};
    if (open_error == EACCES || open_error == EPERM) failure.code = "ERR_DTRACE_PERMISSION";
    return failure;
  }
  handle_ = std::make_unique<Handle>(*library_, opened);
  return Success{json::Object().Put("version", library_->Version()).Put("pid", getpid()).Done()};
}

Result Tracing::Configure(const OpenRequest& request) {
  if (library_->dtrace_setopt(handle_->get(), "statusrate", kStatusrateText) != 0 ||
      (platform::kSetsBreakpoints && library_->dtrace_setopt(handle_->get(), kEvaltime, kEvaltimeExec) != 0)) {
    return LibraryFailure("ERR_DTRACE_OPTION");
  }
  for (const auto& [name, value] : request.options) {
    Result set = SetOption(name, value);
    if (auto* failure = std::get_if<Failure>(&set)) {
      failure->reason = name + ": " + failure->reason;
      return set;
    }
  }
  if (platform::kHasInit && library_->dtrace_init(handle_->get()) != 0) return LibraryFailure("ERR_DTRACE_OPEN");
  return Success{};
}

Result Tracing::EndTracing() {
  SetRunning(false);
  // When tracing had failed, its clauses still ran.
  if (std::exchange(active_, false)) library_->dtrace_stop(handle_->get());
  if (processes_) processes_->EndCreated();
  return Success{};
}

void Tracing::Close(const std::function<void()>& probes_are_away) {
  EndTracing();
  if (handle_) leave_.TakeProbesAway(process_ends_);
  probes_are_away();
  firings_.reset();
  aggregations_.reset();
  probes_.reset();
  symbols_.reset();
  // At the end of the process, what libdtrace has is given to the kernel, which is about to take all of it.
  if (process_ends_ && handle_) {
    handle_->Abandon();
    [[maybe_unused]] const Library* abandoned = library_.release();
  } else if (handle_ && has_types_) {
    platform::EaseClose(library_->object(), handle_->get());
  }
  handle_.reset();
  processes_.reset();
  library_.reset();
}

// ---- Options ----

Result Tracing::SetOption(const std::string& name, const std::optional<std::string>& value) {
  if (library_->dtrace_setopt(handle_->get(), name.c_str(), value ? value->c_str() : nullptr) != 0) {
    return LibraryFailure("ERR_DTRACE_OPTION");
  }
  own_procfs_ = own_procfs_ || name == kProcfsPath;
  if (name == kSwitchrate) {
    // libdtrace parses it, the session's thread keeps it: see Interval().
    dtrace_optval_t rate = 0;
    library_->dtrace_getopt(handle_->get(), kSwitchrate, &rate);
    switchrate_ = std::chrono::nanoseconds(static_cast<int64_t>(rate));
    if (running_) SetPace();
  }
  return Success{};
}

Result Tracing::GetOption(const std::string& name) {
  if (name == kSwitchrate) return Success{json::Text(switchrate_.count())};
  dtrace_optval_t value = 0;
  if (library_->dtrace_getopt(handle_->get(), name.c_str(), &value) != 0) return LibraryFailure("ERR_DTRACE_OPTION");
  return Success{json::Text(static_cast<int64_t>(value))};
}

Result Tracing::SetExtras(Extras extras) {
  if (!programs_.empty()) return Failure{"ERR_DTRACE_STATE", "a program is compiled already"};
  firings_ = std::make_unique<Firings>(*library_, *handle_, symbols_.get(), aggregations_.get(), extras,
                                       &around_.in_flight, &around_.slabs, around_.sink);
  return Success{};
}

// setopt() in a clause: libdtrace has set the option by now.
void Tracing::OnOption(const dtrace_setoptdata_t& data) {
  const std::string name = data.dtsda_option;
  const auto value = static_cast<int64_t>(data.dtsda_newval);
  auto previous = static_cast<int64_t>(data.dtsda_oldval);
  if (name == kSwitchrate) {
    // The value that libdtrace had was the session's thread's, see SetPace().
    previous = switchrate_.count();
    switchrate_ = std::chrono::nanoseconds(value);
    SetPace();
  }
  around_.sink(OptionSet{NameOf(*data.dtsda_probe->dtpda_pdesc), name, value, previous});
}

// ---- Programs ----

Result Tracing::Compile(const CompileRequest& request) {
  if (enabled_) return Failure{"ERR_DTRACE_STATE", "a program is enabled already"};
  has_types_ = true;
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
  firings_->Expect(static_cast<uint32_t>(programs_.size() - 1), program);
  return Success{json::Object().Put("program", programs_.size() - 1).PutJson("gap", FollowsGap(program)).Done()};
}

// A program that fails to compile may leave places in libdtrace's table of clauses (dt_stmts) that nothing is ever put
// into, and dtrace_go() crashes on them. The next program's clauses show it: their numbers do not follow the last ones.
const char* Tracing::FollowsGap(dtrace_prog_t* program) {
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

Result Tracing::Prepare() {
  has_types_ = true;
  char nothing[] = "\n";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fmemopen(nothing, 1, "r"), std::fclose);
  if (!file) return Failure{"ERR_DTRACE_COMPILE", std::strerror(errno), errno};
  // Without statements it need not be enabled: see Consumer.go().
  dtrace_prog_t* program = library_->dtrace_program_fcompile(handle_->get(), file.get(), DTRACE_C_EMPTY, 0, nullptr);
  if (program == nullptr) return LibraryFailure("ERR_DTRACE_COMPILE");
  return Success{};
}

Result Tracing::Enable(uint32_t program) {
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
bool Tracing::InstallHandlers() {
  const int errors = library_->dtrace_handle_err(
      handle_->get(),
      [](const dtrace_errdata_t* data, void* self) {
        static_cast<Tracing*>(self)->firings_->OnFault(*data);
        return DTRACE_HANDLE_OK;
      },
      this);
  const int drops = library_->dtrace_handle_drop(
      handle_->get(),
      [](const dtrace_dropdata_t* data, void* self) {
        static_cast<Tracing*>(self)->around_.sink(ToDrop(*data));
        return DTRACE_HANDLE_OK;
      },
      this);
  const int options = library_->dtrace_handle_setopt(
      handle_->get(),
      [](const dtrace_setoptdata_t* data, void* self) {
        static_cast<Tracing*>(self)->OnOption(*data);
        return DTRACE_HANDLE_OK;
      },
      this);
  return errors == 0 && drops == 0 && options == 0;
}

// ---- Running ----

Result Tracing::Go() {
  around_.wakeup.Look();
  misses_.Look();
  buffers_.Look();
  leave_.LookBeforeGo();
  if (GoInView() != 0) {
    Failure failure = LibraryFailure("ERR_DTRACE_ENABLE");
    if (failure.error == EPERM || failure.error == EACCES) failure.code = "ERR_DTRACE_PERMISSION";
    return failure;
  }
  leave_.LookAfterGo();
  active_ = true;
  // `#pragma D option switchrate` has its effect now, unless setOption was used: libdtrace's value is the last word.
  dtrace_optval_t rate = 0;
  if (library_->dtrace_getopt(handle_->get(), kSwitchrate, &rate) == 0) {
    switchrate_ = std::chrono::nanoseconds(static_cast<int64_t>(rate));
  }
  can_wait_ = around_.wakeup.Join();
  misses_.Join();
  dtrace_optval_t size = 0;
  library_->dtrace_getopt(handle_->get(), "bufsize", &size);
  buffer_size_ = static_cast<size_t>(size);
  can_be_quiet_ = can_wait_ && buffers_.Join(around_.wakeup.set(), around_.wakeup.event());
  SetPace();
  if (!can_wait_ && switchrate_.count() == 0) switchrate_ = std::chrono::milliseconds(1);
  SetRunning(true);
  return Success{};
}

// Who reads buffers must not wait for a processor.
void Tracing::SetRunning(bool running) {
  running_ = running;
  running ? priority_.Raise() : priority_.Lower();
}

int Tracing::GoInView() {
  const SignalsHeldBack held_back;
  if (own_procfs_) return platform::Go(library_->dtrace_go, handle_->get());
  const platform::ProcfsView view(library_path_);
  if (!view.path().empty()) library_->dtrace_setopt(handle_->get(), kProcfsPath, view.path().c_str());
  const int result = platform::Go(library_->dtrace_go, handle_->get());
  // The view goes away; a setopt that succeeds leaves the error of a go that has failed.
  if (!view.path().empty()) library_->dtrace_setopt(handle_->get(), kProcfsPath, "/proc");
  return result;
}

// While firings wait for their turn it can't be left to the next one's coming.
std::chrono::nanoseconds Tracing::Interval() const {
  if (firings_->exit_status()) return std::min<std::chrono::nanoseconds>(switchrate_, kStatusrate);
  if (pace_ == Pace::kGathering) return std::min(gathering_interval_, std::max(switchrate_, kLeastInterval));
  return firings_->holds() || pace_ == Pace::kSettling ? std::max(switchrate_, kLeastInterval) : switchrate_;
}

// What cannot be woken must not wait: then the session's thread looks once per switchrate. While it gathers, too. After
// an exit() nothing may come any more.
bool Tracing::Waits() const {
  return can_wait_ && looked_ && !firings_->holds() && !firings_->exit_status() && pace_ == Pace::kAwaiting;
}

void Tracing::SetPace() {
  waits_ = Waits();
  SetSwitchrate(waits_ ? kWaitForData : kDoNotWait);
}

// Where records come fast they wake nobody, until a look finds none. After that there is one more look, a switchrate
// later: a probe that fired meanwhile may have seen the buffers as they were.
void Tracing::Adapt() {
  const Firings::Amount taken = firings_->Taken();
  const bool many = taken.firings >= kMany && switchrate_ >= kLeastInterval;
  switch (pace_) {
    case Pace::kSettling:
      if (Clock::now() < settled_) break;
      pace_ = Pace::kAwaiting;
      [[fallthrough]];
    case Pace::kAwaiting:
      if (!many || !can_be_quiet_ || !buffers_.Quiet()) break;
      pace_ = Pace::kGathering;
      gathering_interval_ = taken.bytes < buffer_size_ / 16 ? switchrate_ : kLeastInterval;
      break;
    case Pace::kGathering:
      // A buffer must not fill while this thread waits for a processor.
      if (taken.bytes > buffer_size_ / 4) {
        gathering_interval_ /= 2;
      } else if (taken.bytes < buffer_size_ / 16) {
        gathering_interval_ *= 2;
      }
      gathering_interval_ = std::clamp(gathering_interval_, kLeastInterval, std::max(switchrate_, kLeastInterval));
      if (taken.firings > 0 && switchrate_ >= kLeastInterval) break;
      if (!buffers_.Loud()) break;
      pace_ = Pace::kSettling;
      settled_ = Clock::now() + std::max(switchrate_, kMostLateness);
  }
}

bool Tracing::SetSwitchrate(const char* value) {
  return library_->dtrace_setopt(handle_->get(), kSwitchrate, value) == 0;
}

// While it gathers, most of what is in the buffers is taken without libdtrace, which has its look less often then.
dtrace_workstatus_t Tracing::Look() {
  if (!LookBeforeItEnds()) return DTRACE_WORKSTATUS_ERROR;
  const bool direct =
      pace_ == Pace::kGathering && buffers_.readable() && firings_->direct() && !firings_->exit_status();
  if (direct) {
    const auto take = [this](uint32_t cpu, const char* sample) { return firings_->TakeDirectly(cpu, sample); };
    if (buffers_.Read(take) && Clock::now() < last_look_ + kLibraryInterval) return DTRACE_WORKSTATUS_OKAY;
  }
  if (quiet()) buffers_.Call();
  const dtrace_workstatus_t status = firings_->Work();
  last_look_ = Clock::now();
  return status;
}

// See platform::kLooksBeforeItEnds.
bool Tracing::LookBeforeItEnds() {
  if (!looked_) looked_ = !platform::kLooksBeforeItEnds || firings_->Consume() != DTRACE_WORKSTATUS_ERROR;
  return looked_;
}

void Tracing::Work() {
  const Clock::time_point looked = Clock::now();
  const dtrace_workstatus_t status = Look();
  if (status == DTRACE_WORKSTATUS_ERROR && handle_->Errno() != EINTR) {
    Fail();
  } else if (status == DTRACE_WORKSTATUS_DONE) {
    if (Finish()) around_.sink(Exit{firings_->exit_status().value_or(0)});
  } else {
    // What was recorded a switchrate before this look has been read by now: the look before this one left nothing of
    // it, and what a processor was still writing then is here, too.
    firings_->Release(looked - switchrate_ - std::max(switchrate_, kMostLateness));
    firings_->Flush();
    Adapt();
    if (Waits() != waits_) SetPace();
    if (looked >= next_misses_) TellOfMisses();
  }
}

Result Tracing::Stop() {
  // Who stops what has called exit(), or does so in END, is told of it, too.
  if (running_ && Finish() && firings_->exit_status()) around_.sink(Exit{*firings_->exit_status()});
  return Success{};
}

// Runs END and takes what is left. False when that has failed, which is told then. After the end of tracing libdtrace
// has to be asked for it once more.
bool Tracing::Finish() {
  SetRunning(false);
  const bool looked = LookBeforeItEnds();
  active_ = false;
  const bool stopped = library_->dtrace_stop(handle_->get()) == 0;
  if (!looked || !stopped || !SetSwitchrate(kDoNotWait)) {
    Fail();
    return false;
  }
  around_.wakeup.Clear();
  // Drops that were counted since the last look are told only when it was so long ago.
  std::this_thread::sleep_until(last_look_ + kStatusrate);
  // Twice, since one call looks at as many descriptors as there are CPUs, and not all of them need be buffers.
  for (int i = 0; i < 2; i++) {
    if (can_be_quiet_) buffers_.Call();
    const auto status = firings_->Work();
    if (status == DTRACE_WORKSTATUS_ERROR && handle_->Errno() != EINTR) {
      Fail();
      return false;
    }
  }
  firings_->Release(Clock::time_point::max());
  firings_->Flush(true);
  TellOfMisses();
  return true;
}

void Tracing::TellOfMisses() {
  const auto pause = std::max<std::chrono::nanoseconds>(kMissesInterval, kMissesIntervalOfOne * misses_.programs());
  next_misses_ = Clock::now() + pause;
  const uint64_t total = misses_.Count();
  const uint64_t count = total - missed_;
  if (count == 0) return;
  missed_ = total;
  around_.sink(Drop{"missed", std::nullopt, count, total,
                    std::to_string(count) + " firing(s) passed over by the kernel, in the middle of another one"});
}

void Tracing::Fail() {
  SetRunning(false);
  Failure failure = firings_->refusal().value_or(LibraryFailure("ERR_DTRACE_SESSION"));
  firings_->Release(Clock::time_point::max());
  firings_->Flush(true);
  around_.sink(Died{std::move(failure)});
}

void Tracing::TellOfProcesses() {
  for (const ProcessExited& process : processes_->Ended()) around_.sink(process);
}

}  // namespace dtc
