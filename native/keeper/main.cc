// dtrace-consumer-keeper: starts one process for a consumer, and is its parent.
//
// The process is held at its first instruction, with its libraries loaded, until the session says so; it ends when the
// session does, even by SIGKILL, unless it has been released; and how it ends is told. libdtrace's own way to start a
// process has none of this: see docs/libdtrace.md.
//
// A program of its own, since the parent of a process that libdtrace holds must be somebody else: libdtrace waits for
// the process as well, and in one program only one of the two would get its status.

#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "message.h"

namespace {

using dtc::keeper::Event;
using dtc::keeper::kChannel;
using dtc::keeper::Step;

// ---- What differs between processors ----

#if defined(__x86_64__)
constexpr unsigned char kBreakpoint[] = {0xcc};
constexpr unsigned char kSpin[] = {0xeb, 0xfe};  // jmp to itself
using Registers = user_regs_struct;
unsigned long long& Counter(Registers* registers) { return registers->rip; }
constexpr unsigned kPastBreakpoint = 1;
#elif defined(__aarch64__)
constexpr unsigned char kBreakpoint[] = {0x00, 0x00, 0x20, 0xd4};  // brk #0
constexpr unsigned char kSpin[] = {0x00, 0x00, 0x00, 0x14};        // b to itself
using Registers = user_regs_struct;
unsigned long long& Counter(Registers* registers) { return registers->pc; }
constexpr unsigned kPastBreakpoint = 0;
#else
#error "the keeper does not know this processor's instructions; libdtrace 2 has x86-64 and arm64"
#endif

void Tell(Event event, int a, int b) {
  const dtc::keeper::Message message{event, a, b};
  [[maybe_unused]] const ssize_t sent = send(kChannel, &message, sizeof message, MSG_NOSIGNAL);
}

[[noreturn]] void Fail(Step step, int error) {
  Tell(Event::kFailed, error, static_cast<int>(step));
  _exit(1);
}

// ---- In the child, before its exec ----

struct Trouble {
  Step step;
  int error;
};

// The process gets what any shell would give it. libdtrace blocks nearly every signal in those that it starts.
void ResetSignals() {
  struct sigaction normal = {};
  normal.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; signal++) sigaction(signal, &normal, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool Redirect(int descriptor, const char* to) {
  if (to[0] == '\0') return true;
  if (to[0] == '&') return dup2(to[1] - '0', descriptor) >= 0;
  int flags = O_RDONLY;
  if (to[0] == '>') flags = O_WRONLY | O_CREAT | (to[1] == '>' ? O_APPEND : O_TRUNC);
  const int file = open(to + (to[0] == '>' && to[1] == '>' ? 2 : 1), flags, 0666);
  if (file < 0) return false;
  if (file == descriptor) return true;
  const bool done = dup2(file, descriptor) >= 0;
  close(file);
  return done;
}

[[noreturn]] void Become(char** arguments, int trouble, int ready) {
  const auto give_up = [trouble](Step step) {
    const Trouble what{step, errno};
    [[maybe_unused]] const ssize_t written = write(trouble, &what, sizeof what);
    _exit(127);
  };
  ResetSignals();
  const char* folder = arguments[dtc::keeper::kFolderArgument];
  if (folder[0] != '\0' && chdir(folder) != 0) give_up(Step::kFolder);
  for (int i = 0; i < 3; i++) {
    if (!Redirect(i, arguments[dtc::keeper::kStdioArgument + i])) give_up(Step::kStdio);
  }
  char go = 0;
  if (read(ready, &go, 1) != 1) _exit(127);  // the keeper is no more
  execvp(arguments[dtc::keeper::kFileArgument], arguments + dtc::keeper::kFirstArgument);
  give_up(Step::kExec);
  _exit(127);
}

// ---- The process ----

class Process {
 public:
  // Starts it, and runs it up to its first instruction: the dynamic linker has loaded the libraries by then.
  explicit Process(char** arguments);

  int descriptor() const { return descriptor_; }

  void Continue() {
    const bool written = pwrite(memory_, original_, sizeof kSpin, entry_) == static_cast<ssize_t>(sizeof kSpin);
    Tell(Event::kContinued, written ? 0 : errno, 0);
  }

  [[noreturn]] void End() const {
    kill(pid_, SIGKILL);
    _exit(0);
  }

  // It has ended. libdtrace, which holds it, takes its status first; then it is ours.
  [[noreturn]] void Reap() const {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
    Tell(Event::kExited, status, 0);
    _exit(0);
  }

 private:
  int Wait();
  void SetBreakpoint();
  void Hold();
  [[noreturn]] void GiveUp(Step step, int error) const {
    kill(pid_, SIGKILL);
    Fail(step, error);
  }

  pid_t pid_ = -1;
  int descriptor_ = -1;
  int memory_ = -1;
  off_t entry_ = 0;
  unsigned char original_[8] = {};
};

Process::Process(char** arguments) {
  int trouble[2];
  int ready[2];
  if (pipe2(trouble, O_CLOEXEC) != 0 || pipe2(ready, O_CLOEXEC) != 0) Fail(Step::kStart, errno);
  pid_ = fork();
  if (pid_ < 0) Fail(Step::kStart, errno);
  if (pid_ == 0) {
    close(kChannel);
    close(ready[1]);
    Become(arguments, trouble[1], ready[0]);
  }
  close(trouble[1]);
  close(ready[0]);
  // Traced before its exec: from here on the kernel ends it should this keeper be killed.
  if (ptrace(PTRACE_SEIZE, pid_, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC) != 0) {
    // It may have failed, and ended, already.
    const int error = errno;
    Trouble what{Step::kHold, error};
    kill(pid_, SIGKILL);
    if (read(trouble[0], &what, sizeof what) != sizeof what) what = {Step::kHold, error};
    Fail(what.step, what.error);
  }
  [[maybe_unused]] const ssize_t written = write(ready[1], "", 1);

  bool started = false;
  for (;;) {
    const int status = Wait();
    if (!WIFSTOPPED(status)) {
      Trouble what{Step::kEnded, 0};
      if (!started && read(trouble[0], &what, sizeof what) != sizeof what) what = {Step::kEnded, 0};
      Fail(what.step, what.error);
    }
    const int signal = WSTOPSIG(status);
    if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXEC << 8))) {
      // Again for each exec: a program's loader may run another one instead.
      started = true;
      SetBreakpoint();
      ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
      continue;
    }
    if (started && signal == SIGTRAP && status >> 16 == 0) {
      Hold();
      return;
    }
    // A signal is passed on; a stop of the whole group is not one.
    ptrace(PTRACE_CONT, pid_, nullptr, status >> 16 == 0 ? signal : 0);
  }
}

// For what the process does next; its end, should the session end first. A library's constructor may take its time.
int Process::Wait() {
  for (;;) {
    int status = 0;
    const pid_t changed = waitpid(pid_, &status, __WALL | WNOHANG);
    if (changed == pid_) return status;
    if (changed < 0 && errno != EINTR) GiveUp(Step::kHold, errno);
    pollfd channel = {kChannel, POLLRDHUP, 0};
    if (poll(&channel, 1, 1) > 0 && (channel.revents & (POLLHUP | POLLRDHUP)) != 0) End();
  }
}

// At the program's first instruction, which the kernel tells in the auxiliary vector.
void Process::SetBreakpoint() {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/exe", pid_);
  unsigned char identification[EI_NIDENT] = {};
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || read(file, identification, sizeof identification) < 0) GiveUp(Step::kHold, errno);
  close(file);
  if (identification[EI_CLASS] != ELFCLASS64) GiveUp(Step::kWord, 0);

  std::snprintf(path, sizeof path, "/proc/%d/auxv", pid_);
  const int vector = open(path, O_RDONLY | O_CLOEXEC);
  if (vector < 0) GiveUp(Step::kHold, errno);
  entry_ = 0;
  Elf64_auxv_t entry;
  while (read(vector, &entry, sizeof entry) == sizeof entry && entry.a_type != AT_NULL) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): so the kernel writes it
    if (entry.a_type == AT_ENTRY) entry_ = static_cast<off_t>(entry.a_un.a_val);
  }
  close(vector);

  if (memory_ >= 0) close(memory_);
  std::snprintf(path, sizeof path, "/proc/%d/mem", pid_);
  memory_ = open(path, O_RDWR | O_CLOEXEC);
  const bool set = memory_ >= 0 && pread(memory_, original_, sizeof original_, entry_) > 0 &&
                   pwrite(memory_, kBreakpoint, sizeof kBreakpoint, entry_) > 0;
  if (!set) GiveUp(Step::kHold, errno);
}

// Nobody may trace it when libdtrace is to hold it, so it is left running, on the spot.
void Process::Hold() {
  Registers registers = {};
  iovec set = {&registers, sizeof registers};
  if (ptrace(PTRACE_GETREGSET, pid_, NT_PRSTATUS, &set) != 0) GiveUp(Step::kHold, errno);
  if (Counter(&registers) != static_cast<unsigned long long>(entry_) + kPastBreakpoint) GiveUp(Step::kHold, 0);
  Counter(&registers) = static_cast<unsigned long long>(entry_);
  if (ptrace(PTRACE_SETREGSET, pid_, NT_PRSTATUS, &set) != 0) GiveUp(Step::kHold, errno);
  // The whole of what was there, then the jump.
  if (pwrite(memory_, original_, sizeof original_, entry_) < 0) GiveUp(Step::kHold, errno);
  if (pwrite(memory_, kSpin, sizeof kSpin, entry_) < 0) GiveUp(Step::kHold, errno);
  if (ptrace(PTRACE_DETACH, pid_, nullptr, nullptr) != 0) GiveUp(Step::kHold, errno);
  // A kernel can be told to let none but a tracer write so (proc_mem.force_override): better known now than later.
  if (pwrite(memory_, kSpin, sizeof kSpin, entry_) < 0) GiveUp(Step::kHold, errno);
  descriptor_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (descriptor_ < 0) GiveUp(Step::kHold, errno);
  Tell(Event::kHeld, pid_, 0);
}

}  // namespace

int main(int count, char** arguments) {
  if (count <= dtc::keeper::kFirstArgument || fcntl(kChannel, F_SETFD, FD_CLOEXEC) != 0) {
    std::fputs("dtrace-consumer-keeper is started by a consumer, see docs/processes.md\n", stderr);
    return 2;
  }
  // Ctrl-C is meant for the process, and for the consumer, which ends this one.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);

  Process process(arguments);
  for (;;) {
    pollfd waiting[] = {{kChannel, POLLIN, 0}, {process.descriptor(), POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0) continue;
    if (waiting[1].revents != 0) process.Reap();
    if (waiting[0].revents == 0) continue;
    char word = 0;
    if (recv(kChannel, &word, 1, 0) != 1) process.End();
    if (word == dtc::keeper::kContinue) process.Continue();
    if (word == dtc::keeper::kRelease) _exit(0);
  }
}
