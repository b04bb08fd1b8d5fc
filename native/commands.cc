#include "commands.h"

#include <utility>

namespace dtc {
namespace {

platform::ProcessRequest ReadCreate(CommandReader* command) {
  platform::ProcessRequest request;
  request.file = command->Text();
  request.arguments = command->Texts();
  request.folder = command->Text();
  for (std::string& target : request.stdio) target = command->Text();
  if (command->Flag()) request.environment = command->Texts();
  return request;
}

// Arguments are read first, and the command goes to the DTrace thread only when all of it was good.
struct Poster {
  Session& session;
  uint32_t id;
  const CommandReader& command;

  void operator()(Session::Task task) const {
    if (command.Good()) session.Post(id, std::move(task));
  }
};

// What has no arguments. False for all else.
bool DispatchWithoutArguments(Session& session, CommandName name, uint32_t id, const CommandReader& command) {
  using Method = Result (Tracing::*)();
  Method method = nullptr;
  switch (name) {
    case CommandName::kGo:
      method = &Tracing::Go;
      break;
    case CommandName::kStop:
      method = &Tracing::Stop;
      break;
    case CommandName::kPrepare:
      method = &Tracing::Prepare;
      break;
    case CommandName::kClose:
      if (command.Good()) session.Close(id);
      return true;
    case CommandName::kPing:
      if (command.Good()) session.Ping(id);
      return true;
    default:
      return false;
  }
  if (command.Good()) session.Post(id, [method](Tracing& tracing) { return (tracing.*method)(); });
  return true;
}

// What is about probes. False for all else.
bool DispatchToProbes(Session& session, CommandName name, uint32_t id, CommandReader& command) {
  const Poster post{session, id, command};
  switch (name) {
    case CommandName::kProbes: {
      ProbeFilter filter{command.OptionalText(), command.Texts()};
      const bool details = command.Flag();
      post([filter = std::move(filter), details](Tracing& tracing) { return tracing.probes().Begin(filter, details); });
      break;
    }
    case CommandName::kMoreProbes: {
      const uint32_t listing = command.Word();
      post([listing](Tracing& tracing) { return tracing.probes().More(listing); });
      break;
    }
    case CommandName::kEndProbes: {
      const uint32_t listing = command.Word();
      post([listing](Tracing& tracing) { return tracing.probes().End(listing); });
      break;
    }
    default:
      return false;
  }
  return true;
}

// What is about processes. False for all else.
bool DispatchToProcesses(Session& session, CommandName name, uint32_t id, CommandReader& command) {
  const Poster post{session, id, command};
  switch (name) {
    case CommandName::kCreate: {
      platform::ProcessRequest request = ReadCreate(&command);
      post([request = std::move(request)](Tracing& tracing) { return tracing.processes().Create(request); });
      break;
    }
    case CommandName::kGrab: {
      const auto pid = static_cast<pid_t>(command.Word());
      const bool hold = command.Flag();
      post([pid, hold](Tracing& tracing) { return tracing.processes().Grab(pid, hold); });
      break;
    }
    case CommandName::kContinue: {
      const auto pid = static_cast<pid_t>(command.Word());
      post([pid](Tracing& tracing) { return tracing.processes().Continue(pid); });
      break;
    }
    case CommandName::kRelease: {
      const auto pid = static_cast<pid_t>(command.Word());
      post([pid](Tracing& tracing) { return tracing.processes().Release(pid); });
      break;
    }
    case CommandName::kSignal: {
      const auto pid = static_cast<pid_t>(command.Word());
      const uint32_t signal = command.Word();
      post([pid, signal](Tracing& tracing) { return tracing.processes().Signal(pid, static_cast<int>(signal)); });
      break;
    }
    default:
      return false;
  }
  return true;
}

}  // namespace

OpenRequest ReadOpen(CommandReader* command) {
  OpenRequest request{command->Word(), command->Text(), command->Texts(), {}};
  const uint32_t options = command->Word();
  for (uint32_t i = 0; i < options; i++) {
    std::string name = command->Text();
    if (name.empty()) break;  // no option has an empty name, so the command is cut off
    request.options.emplace_back(std::move(name), command->OptionalText());
  }
  return request;
}

bool Dispatch(Session& session, const char* data, size_t size) {
  CommandReader command(data, size);
  const auto name = static_cast<CommandName>(command.Byte());
  const uint32_t id = command.Word();
  const Poster post{session, id, command};
  switch (name) {
    case CommandName::kOpen: {
      OpenRequest request = ReadOpen(&command);
      if (command.Good()) session.Open(id, std::move(request));
      break;
    }
    case CommandName::kSetOption: {
      std::string option = command.Text();
      std::optional<std::string> value = command.OptionalText();
      post([option = std::move(option), value = std::move(value)](Tracing& tracing) {
        return tracing.SetOption(option, value);
      });
      break;
    }
    case CommandName::kGetOption: {
      std::string option = command.Text();
      post([option = std::move(option)](Tracing& tracing) { return tracing.GetOption(option); });
      break;
    }
    case CommandName::kCompile: {
      CompileRequest request{command.Text(), command.Texts(), command.Word()};
      post([request = std::move(request)](Tracing& tracing) { return tracing.Compile(request); });
      break;
    }
    case CommandName::kEnable: {
      const uint32_t program = command.Word();
      post([program](Tracing& tracing) { return tracing.Enable(program); });
      break;
    }
    case CommandName::kAggregations: {
      AggregationRequest request;
      request.names = command.Texts();
      request.joined = command.Flag();
      request.order = static_cast<AggregationOrder>(command.Byte());
      request.reverse = command.Flag();
      request.position = command.Word();
      request.after = static_cast<AfterSnapshot>(command.Byte());
      post([request = std::move(request)](Tracing& tracing) { return tracing.aggregations().Snapshot(request); });
      break;
    }
    case CommandName::kTaken: {
      const auto kind = static_cast<PacketKind>(command.Byte());
      const uint8_t count = command.Byte();
      if (command.Good()) session.Taken(kind, count);
      break;
    }
    case CommandName::kRecordExtras: {
      const Extras extras{command.Flag(), command.Flag(), command.Flag()};
      post([extras](Tracing& tracing) { return tracing.SetExtras(extras); });
      break;
    }
    default:
      if (!DispatchWithoutArguments(session, name, id, command) && !DispatchToProbes(session, name, id, command) &&
          !DispatchToProcesses(session, name, id, command)) {
        return false;
      }
  }
  return command.Good();
}

}  // namespace dtc
