// One use of libdtrace, from open to close: its options, its programs, its looks into the buffers. Belongs to the
// DTrace thread, but for ProcessEnds().
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aggregations.h"
#include "firings.h"
#include "in_flight.h"
#include "libdtrace.h"
#include "message.h"
#include "probes.h"
#include "processes.h"
#include "symbols.h"

namespace dtc {

struct OpenRequest {
  uint32_t owner;  // the process that the session works for: what $pid is in D programs
  std::string path;
  std::vector<std::string> preload;
  std::vector<std::pair<std::string, std::optional<std::string>>> options;
};

struct CompileRequest {
  std::string source;
  std::vector<std::string> arguments;  // $0, $1, …
  uint32_t flags = 0;
};

// Has getpid() give this number to libdtrace, or the true one again with 0. For a host, which is not the owner.
using ShowPid = void (*)(pid_t pid);

class Tracing {
 public:
  // What it needs of the session around it, which outlives it.
  struct Surroundings {
    const std::function<void(Message)>& sink;
    ShowPid show_pid;
    platform::Wakeup& wakeup;
    InFlight& in_flight;
    Slabs& slabs;
    // Called on some other thread when a process may have ended: see TellOfProcesses().
    std::function<void()> processes_end;
  };

  explicit Tracing(Surroundings surroundings) : around_(std::move(surroundings)) {}

  Result Open(const OpenRequest& request);
  Result SetOption(const std::string& name, const std::optional<std::string>& value);
  Result GetOption(const std::string& name);
  // What records carry beside their values; before the first program is compiled.
  Result SetExtras(Extras extras);
  Result Compile(const CompileRequest& request);
  // Has the D libraries compiled, which the first program does otherwise.
  Result Prepare();
  Result Enable(uint32_t program);
  Result Go();
  Result Stop();
  // The end: nothing is traced any more, and what was started is killed.
  Result EndTracing();
  // Takes the probes away, calls back, and frees everything: seconds.
  void Close(const std::function<void()>& probes_are_away);

  // Where there is a handle.
  Aggregations& aggregations() { return *aggregations_; }
  Probes& probes() { return *probes_; }
  Processes& processes() { return *processes_; }

  bool is_open() const { return handle_ != nullptr; }
  bool running() const { return running_; }
  // How often the buffers are looked into.
  std::chrono::nanoseconds Interval() const;
  // Records wake nobody at the moment.
  bool quiet() const { return pace_ != Pace::kAwaiting; }
  // While it is quiet: the time from one look to the next, unless a buffer fills.
  void WaitUntil(std::chrono::steady_clock::time_point until) const { buffers_.WaitUntilHalfFull(until); }
  // One look into the buffers: what is there goes to the sink. Waits up to a second for something to come, if the
  // wakeup can end that.
  void Work();
  // Those that have ended, after the records of what they did until then.
  void TellOfProcesses();

  // Any thread. The process is to end when this is closed: only the probes are removed, see platform::Leave.
  void ProcessEnds() { process_ends_ = true; }

 private:
  using Clock = std::chrono::steady_clock;

  Result OpenHandle(const OpenRequest& request);
  Result Configure(const OpenRequest& request);
  const char* FollowsGap(dtrace_prog_t* program);
  bool InstallHandlers();
  void OnOption(const dtrace_setoptdata_t& data);
  void SetRunning(bool running);
  int GoInView();
  bool Waits() const;
  void SetPace();
  dtrace_workstatus_t Look();
  bool LookBeforeItEnds();
  void Adapt();
  bool SetSwitchrate(const char* value);
  bool Finish();
  void Fail();
  void TellOfMisses();
  Failure LibraryFailure(const char* code) const;

  const Surroundings around_;
  std::atomic<bool> process_ends_{false};
  platform::Leave leave_;
  std::unique_ptr<Library> library_;
  std::unique_ptr<Handle> handle_;
  std::unique_ptr<Symbols> symbols_;
  std::unique_ptr<Aggregations> aggregations_;
  std::unique_ptr<Firings> firings_;
  std::unique_ptr<Processes> processes_;
  std::unique_ptr<Probes> probes_;
  std::vector<dtrace_prog_t*> programs_;
  platform::Misses misses_;
  uint64_t missed_ = 0;
  Clock::time_point next_misses_;
  Clock::time_point last_look_;  // libdtrace's
  platform::Buffers buffers_;
  size_t buffer_size_ = 0;
  std::chrono::nanoseconds switchrate_ = std::chrono::milliseconds(10);
  std::chrono::nanoseconds gathering_interval_{0};
  Clock::time_point settled_;
  std::string library_path_;
  platform::Priority priority_;
  uint32_t next_statement_ = 0;
  // Each record wakes this thread; none does; or each does again, and what was on its way before may still come.
  enum class Pace : uint8_t { kAwaiting, kGathering, kSettling };
  Pace pace_ = Pace::kAwaiting;
  bool own_procfs_ = false;  // the user has said where /proc is: see platform::ProcfsView
  bool has_types_ = false;   // the kernel's have been asked for
  bool enabled_ = false;
  bool running_ = false;
  bool active_ = false;        // clauses run
  bool looked_ = false;        // into the buffers
  bool can_wait_ = false;      // dtrace_work() may wait for data: see platform::Wakeup
  bool waits_ = false;         // it does
  bool can_be_quiet_ = false;  // see platform::Buffers
};

}  // namespace dtc
