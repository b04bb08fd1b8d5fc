// dtrace-consumer-host: a session in a process of its own. lib/host/peer.ts starts it and speaks with it on standard
// input and output; the protocol is in channel.h.
//
//   dtrace-consumer-host                   for whoever may start it: does what policy.h allows, and loads what the
//                                          file beside it names (its own name and .conf)
//   dtrace-consumer-host --unrestricted    with its starter's own privileges: does everything
//
// It ends when its input ends, however that comes about; so it never outlives the process that it works for.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include "../commands.h"
#include "../json.h"
#include "../platform/platform.h"
#include "channel.h"
#include "pid.h"
#include "policy.h"

namespace {

using dtc::host::Library;

// sysexits.h, as the command line tool has them.
constexpr int kUsage = 64;
constexpr int kHangs = 70;
constexpr int kConfiguration = 78;

// What a session may take for its end, when its process's work is over.
constexpr std::chrono::seconds kPatience(5);

// More privileges than whoever started it: then what it is asked to do is not simply what its starter could do himself.
bool HasMoreThanItsStarter() { return dtc::platform::HasRaisedPrivileges() || std::getenv("SUDO_UID") != nullptr; }

// Commands and messages get descriptors of their own: what libdtrace prints, and what a program's system() runs, must
// not get among them. Its output goes to descriptor 3, if the starter gave one, else to standard error.
struct Streams {
  int commands;
  int messages;
};

Streams TakeStandardStreams() {
  const bool has_output = fcntl(3, F_GETFD) != -1;
  const Streams streams{fcntl(0, F_DUPFD_CLOEXEC, 10), fcntl(1, F_DUPFD_CLOEXEC, 10)};
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, 0);
  close(nothing);
  dup2(has_output ? 3 : 2, 1);
  if (has_output) close(3);
  return streams;
}

// Root's own, and nobody else can write to it.
bool IsRoots(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 && status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::optional<Library> ReadConfiguration() {
  const std::string file = dtc::platform::OwnExecutable() + ".conf";
  std::ifstream stream(file);
  std::stringstream text;
  text << stream.rdbuf();
  std::string error = "it can't be read";
  std::optional<Library> library;
  if (stream) library = dtc::host::ParseConfiguration(text.str(), &error);
  if (library && !IsRoots(file)) {
    error = "others than root can write to it";
    library.reset();
  }
  if (!library) {
    std::fprintf(stderr, "dtrace-consumer-host: %s: %s; `dtrace-watch setup --helper` makes it, see docs/hosts.md\n",
                 file.c_str(), error.c_str());
  }
  return library;
}

// The client's wishes, but root's library.
void OpenWith(dtc::Session& session, const Library& library, const std::vector<char>& data) {
  dtc::CommandReader command(data.data(), data.size());
  command.Byte();
  const uint32_t id = command.Word();
  dtc::OpenRequest request = dtc::ReadOpen(&command);
  request.path = library.path;
  request.preload = library.preload;
  if (!library.syslibdir.empty()) request.options.emplace_back("syslibdir", library.syslibdir);
  if (command.Good()) session.Open(id, std::move(request));
}

uint32_t NumberOf(const std::vector<char>& data) {
  dtc::CommandReader command(data.data(), data.size());
  command.Byte();
  return command.Word();
}

// Ends with the input, or with something that is no command.
void Serve(dtc::Session& session, dtc::host::MessageWriter& writer, const std::optional<Library>& library,
           int descriptor) {
  while (const auto command = dtc::host::ReadCommand(descriptor)) {
    if (library) {
      if (auto refusal = dtc::host::Refusal(command->data(), command->size())) {
        writer.Write(dtc::Encode(dtc::Reply{NumberOf(*command), std::move(*refusal)}));
        continue;
      }
      if (static_cast<dtc::CommandName>((*command)[0]) == dtc::CommandName::kOpen) {
        OpenWith(session, *library, *command);
        continue;
      }
    }
    if (!dtc::Dispatch(session, command->data(), command->size())) {
      std::fprintf(stderr, "dtrace-consumer-host: what came is no command of this version\n");
      return;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  bool restricted = true;
  if (argc == 2 && std::strcmp(argv[1], "--unrestricted") == 0) {
    restricted = HasMoreThanItsStarter();
  } else if (argc > 1) {
    std::fprintf(stderr,
                 "usage: dtrace-consumer-host [--unrestricted]\n"
                 "It is started by dtrace-consumer, which speaks with it on its standard input and output.\n");
    return kUsage;
  }
  std::optional<Library> library;
  if (restricted) {
    library = ReadConfiguration();
    if (!library) return kConfiguration;
    clearenv();  // libdtrace and the C library have wishes there, too (DTRACE_DEBUG, …), and it is the client's
  }

  // The terminal's Ctrl-C and a service manager's SIGTERM go to the whole group; when it is time to end, the one for
  // whom this works closes the channel. Handled, not ignored: what a program's system() runs shall be as it would be.
  for (const int signal : {SIGINT, SIGHUP, SIGTERM, SIGPIPE}) {
    struct sigaction nothing = {};
    nothing.sa_handler = [](int) {};
    nothing.sa_flags = SA_RESTART;
    sigaction(signal, &nothing, nullptr);
  }
  const Streams streams = TakeStandardStreams();

  dtc::host::MessageWriter writer(streams.messages);
  const std::string greeting = dtc::json::Object().Put("type", "hello").Put("protocol", dtc::kProtocol).Done();
  writer.Write({dtc::PacketKind::kControl, greeting, {}});
  auto session = dtc::Session::Start([&writer](dtc::Message message) { writer.Write(dtc::Encode(std::move(message))); },
                                     dtc::host::ShowPid);
  session->ProcessEnds();  // when it is closed
  Serve(*session, writer, library, streams.commands);

  // Whoever it was for has gone, or is done. Should the DTrace thread hang, the process does not.
  std::thread([] {
    std::this_thread::sleep_for(kPatience);
    dtc::platform::Leave().TakeProbesAway(true);
    _exit(kHangs);
  }).detach();
  session.reset();
  // Not the way through the libraries' destructors: the kernel takes the memory.
  _exit(0);
}
