// The DTrace thread: owns the handle, runs commands, paces dtrace_work(), fills batches.
//
// Threads. Everything public may be called from the JavaScript thread. Everything private runs on the session's own
// thread, and libdtrace is called there only.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "aggregations.h"
#include "libdtrace.h"
#include "message.h"
#include "probes.h"
#include "processes.h"
#include "protocol.h"
#include "recorder.h"
#include "sources.h"
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

class Session {
 public:
  // Takes every message, in order, on the session's thread; must not block.
  using Sink = std::function<void(Message)>;

  // Has getpid() give this number to libdtrace, or the true one again with 0. For a host, which is not the owner.
  using ShowPid = void (*)(pid_t pid);

  // One session at a time in a process: two live handles do not work with libdtrace 2. Null while another is live.
  static std::unique_ptr<Session> Start(Sink sink, ShowPid show_pid = nullptr);
  // Ends the session, removes its probes, and joins the thread; what is still queued is answered with a failure.
  ~Session();
  // The process is to end with this session: when it is closed or destroyed, only the probes are removed, see Leave.
  void ProcessEnds();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Open(uint32_t id, OpenRequest request);
  void SetOption(uint32_t id, std::string name, std::optional<std::string> value);
  void GetOption(uint32_t id, std::string name);
  // What records carry beside their values; before the first program is compiled.
  void SetExtras(uint32_t id, Extras extras);
  void Compile(uint32_t id, CompileRequest request);
  void Enable(uint32_t id, uint32_t program);
  // Has the D libraries compiled, which the first program does otherwise.
  void Prepare(uint32_t id);
  void Go(uint32_t id);
  void Stop(uint32_t id);
  void Close(uint32_t id);
  void Snapshot(uint32_t id, AggregationRequest request);
  // On the caller's thread, at once: answers with the milliseconds for which the DTrace thread has been inside one call
  // of libdtrace that ought to be short (dtrace_work(), not a command), so that a caller elsewhere can tell that it
  // hangs.
  void Ping(uint32_t id);
  // See Probes.
  void ListProbes(uint32_t id, ProbeFilter filter, bool details);
  void MoreProbes(uint32_t id, uint32_t listing);
  void EndProbes(uint32_t id, uint32_t listing);

  void CreateProcess(uint32_t id, platform::ProcessRequest request);
  void GrabProcess(uint32_t id, pid_t pid, bool hold);
  void ContinueProcess(uint32_t id, pid_t pid);
  void ReleaseProcess(uint32_t id, pid_t pid);
  void SignalProcess(uint32_t id, pid_t pid, int signal);

  // JavaScript has taken one: room for one more. See kBatchesInFlight, kFaultsInFlight.
  void Taken(PacketKind kind);

 private:
  using Clock = std::chrono::steady_clock;
  using Task = std::function<Result()>;
  struct Command {
    std::optional<uint32_t> id;  // nothing: nobody waits for an answer
    Task task;
    bool opens = false;  // the one command that needs no handle
  };

  Session(Sink sink, ShowPid show_pid);

  void Post(uint32_t id, Task task, bool opens = false);
  void LookAtProcesses();
  void Run();
  bool WaitForTurn(std::deque<Command>* commands);
  void Work();
  void Finish();
  void Fail(const char* code);
  void Release(Clock::time_point until);
  void Flush();
  void Pace();
  void TellOfProcesses();

  Result DoOpen(const OpenRequest& request);
  Result DoSetOption(const std::string& name, const std::optional<std::string>& value);
  Result DoGetOption(const std::string& name);
  Result DoSetExtras(Extras extras);
  Result DoCompile(const CompileRequest& request);
  Result DoEnable(uint32_t program);
  Result DoPrepare();
  Result DoGo();
  int Go();
  Result DoStop();
  Result DoClose();
  void LeaveQuickly();
  const char* FollowsGap(dtrace_prog_t* program);
  bool InstallHandlers();
  Failure LibraryFailure(const char* code) const;
  bool SetSwitchrate(const char* value);

  std::chrono::nanoseconds Interval() const;
  void OnFault(const dtrace_errdata_t& data);
  void OnOption(const dtrace_setoptdata_t& data);
  void FlushFaults();
  static int OnProbeData(const dtrace_probedata_t* data, void* self);
  static int OnRecord(const dtrace_probedata_t* data, const dtrace_recdesc_t* record, void* self);
  int OnProbe(const dtrace_probedata_t& data);
  int AbortByLibrary();
  bool PutPrinted(const dtrace_recdesc_t& record);
  int Refuse(const Refusal& refusal, const dtrace_probedata_t& data);

  // When JavaScript has this many batches still to take, the buffers are left alone until it has caught up: what then
  // does not fit into the kernel's buffers is counted there, as drops. Memory stays bounded.
  static constexpr int kBatchesInFlight = 64;
  // A clause can fail at every firing. When JavaScript has this many faults still to take, more are only counted.
  static constexpr int kFaultsInFlight = 256;
  // A batch goes off when it is this large, so that JavaScript works on it while the next one fills.
  static constexpr size_t kBatchSize = size_t{256} * 1024;

  const Sink sink_;
  const ShowPid show_pid_;

  // Shared between the threads.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Command> commands_;
  bool ended_ = false;  // the thread takes no more commands
  bool abandoned_ = false;
  bool process_ends_ = false;
  std::atomic<int> batches_in_flight_{0};
  std::atomic<int> faults_in_flight_{0};
  std::atomic<int64_t> working_since_{0};  // milliseconds of the steady clock; 0: not in dtrace_work()
  platform::Wakeup wakeup_;
  platform::Leave leave_;

  // The session thread's own.
  std::unique_ptr<Library> library_;
  std::unique_ptr<Handle> handle_;
  std::unique_ptr<Symbols> symbols_;
  std::unique_ptr<Sources> sources_;
  std::unique_ptr<Aggregations> aggregations_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<Processes> processes_;
  bool processes_end_ = false;  // some may have ended, which is told after what they did
  std::unique_ptr<Probes> probes_;
  std::vector<dtrace_prog_t*> programs_;
  uint32_t next_statement_ = 0;
  bool enabled_ = false;
  bool running_ = false;
  bool stopped_ = false;
  bool can_wait_ = false;  // dtrace_work() may wait for data: see platform::Wakeup
  std::string library_path_;
  bool own_procfs_ = false;  // the user has said where /proc is: see platform::ProcfsView
  std::chrono::nanoseconds switchrate_ = std::chrono::milliseconds(10);
  Clock::time_point last_work_;
  std::optional<int32_t> exit_status_;
  std::optional<Fault> fault_;  // the last one that was only counted
  std::optional<Failure> refused_;
  // The firing that libdtrace is going through, where it does something with aggregations.
  const Statement* acting_ = nullptr;
  const char* acting_data_ = nullptr;

  std::thread thread_;  // last: starts when everything else is there
};

}  // namespace dtc
