#include "keeper.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "process.h"
#include "process_status.h"

extern char** environ;  // NOLINT: <unistd.h> has it for GNU programs alone

namespace dtc::platform {
namespace {

// A program whose libraries' constructors take longer than this is not waited for.
constexpr int kLoadMilliseconds = 30'000;
constexpr int kReapMilliseconds = 5'000;

std::string KeeperPath() {
  Dl_info here = {};
  std::string file;
  if (dladdr(reinterpret_cast<const void*>(&KeeperPath), &here) != 0 && here.dli_fname != nullptr)
    file = here.dli_fname;
  // Of a program it may be the bare name by which it was called.
  if (file.find('/') == std::string::npos) file = OwnExecutable();
  const size_t name = file.rfind('/') + 1;
  std::string path = file.substr(0, name) + "dtrace-consumer-keeper";
  // A ready-made one is for the same C library.
  for (const char* library : {".glibc", ".musl"}) {
    if (file.find(library, name) != std::string::npos) path += library;
  }
  return path;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Its descriptor 3 is the channel; it closes what else it gets.
int Spawn(const std::string& path, const ProcessRequest& request, int channel, pid_t* pid) {
  std::vector<std::string> arguments = {
      path, request.folder, request.stdio[0], request.stdio[1], request.stdio[2], request.file, request.file};
  arguments.insert(arguments.end(), request.arguments.begin(), request.arguments.end());
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> envp = request.environment ? Pointers(*request.environment) : std::vector<char*>();

  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0) return error;
  // Node.js has its own standard streams closed at an exec; onto itself means: but not at this one.
  for (int stream = 0; stream < 3 && error == 0; stream++) {
    if (fcntl(stream, F_GETFD) != -1) error = posix_spawn_file_actions_adddup2(&actions, stream, stream);
  }
  if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, channel, keeper::kChannel);
  if (error == 0) {
    error = posix_spawn(pid, path.c_str(), &actions, nullptr, argv.data(), request.environment ? envp.data() : environ);
  }
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

std::unique_ptr<Keeper> Keeper::Start(const ProcessRequest& request, ProcessFailure* failure) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    *failure = {"ERR_DTRACE_PROCESS", std::strerror(errno), errno};
    return nullptr;
  }
  Descriptor ours(ends[0]);
  // Not at the number it is to have: dup2 of a descriptor to itself would leave it to be closed at exec.
  Descriptor theirs(fcntl(ends[1], F_DUPFD_CLOEXEC, keeper::kChannel + 1));
  close(ends[1]);
  const std::string path = KeeperPath();
  pid_t pid = -1;
  const int error = Spawn(path, request, theirs.get(), &pid);
  theirs.Close();
  if (error != 0) {
    *failure = {"ERR_DTRACE_PROCESS", path + " can't be run: " + std::strerror(error), error};
    return nullptr;
  }
  std::unique_ptr<Keeper> keeper(new Keeper(std::move(ours), pid));
  const auto message = keeper->Receive(kLoadMilliseconds);
  if (message && message->event == keeper::Event::kHeld) {
    keeper->pid_ = message->a;
    return keeper;
  }
  if (message) {
    *failure = Explain(*message);
  } else {
    *failure = {"ERR_DTRACE_PROCESS", "its libraries did not load within 30 s"};
  }
  return nullptr;
}

Keeper::~Keeper() {
  // The end of the channel is the end of the process.
  channel_.Close();
  while (waitpid(keeper_, nullptr, 0) < 0 && errno == EINTR) continue;
}

std::optional<keeper::Message> Keeper::Receive(int timeout) const {
  pollfd waiting = {channel_.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&waiting, 1, timeout);
  } while (ready < 0 && errno == EINTR);
  keeper::Message message = {};
  if (ready != 1 || recv(channel_.get(), &message, sizeof message, 0) != sizeof message) return std::nullopt;
  return message;
}

ProcessFailure Keeper::Explain(const keeper::Message& message) {
  const std::string why = std::strerror(message.a);
  switch (static_cast<keeper::Step>(message.b)) {
    case keeper::Step::kFolder:
      return {"ERR_DTRACE_ARGUMENT", "its folder can't be entered: " + why, message.a};
    case keeper::Step::kStdio:
      return {"ERR_DTRACE_ARGUMENT", "a file of its standard input or output can't be opened: " + why, message.a};
    case keeper::Step::kExec:
      return {"ERR_DTRACE_ARGUMENT", "it can't be run: " + why, message.a};
    case keeper::Step::kEnded:
      return {"ERR_DTRACE_PROCESS", "it ended while its libraries were being loaded"};
    case keeper::Step::kWord:
      return {"ERR_DTRACE_UNSUPPORTED", "it is a 32-bit program, and only 64-bit ones can be held"};
    default:
      return {"ERR_DTRACE_PROCESS", "it can't be held at its start: " + why, message.a};
  }
}

int Keeper::Continue() {
  const char word = keeper::kContinue;
  if (send(channel_.get(), &word, 1, MSG_NOSIGNAL) != 1) return errno;
  const auto message = Receive(-1);
  return message && message->event == keeper::Event::kContinued ? message->a : ESRCH;
}

void Keeper::Release() {
  const char word = keeper::kRelease;
  send(channel_.get(), &word, 1, MSG_NOSIGNAL);
}

ProcessEnd Keeper::End() {
  // libdtrace, which holds it, has to have taken notice of its end before its parent can.
  const auto message = Receive(kReapMilliseconds);
  if (!message || message->event != keeper::Event::kExited) return {};
  return EndOf(message->a);
}

}  // namespace dtc::platform
