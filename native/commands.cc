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

// What has no arguments. False for all else.
bool DispatchWithoutArguments(Session& session, CommandName name, uint32_t id, const CommandReader& command) {
  using Method = void (Session::*)(uint32_t);
  Method method = nullptr;
  switch (name) {
    case CommandName::kGo:
      method = &Session::Go;
      break;
    case CommandName::kStop:
      method = &Session::Stop;
      break;
    case CommandName::kClose:
      method = &Session::Close;
      break;
    case CommandName::kPrepare:
      method = &Session::Prepare;
      break;
    case CommandName::kPing:
      method = &Session::Ping;
      break;
    default:
      return false;
  }
  if (command.Good()) (session.*method)(id);
  return true;
}

// What is about probes. False for all else.
bool DispatchToProbes(Session& session, CommandName name, uint32_t id, CommandReader& command) {
  switch (name) {
    case CommandName::kProbes: {
      ProbeFilter filter{command.OptionalText(), command.Texts()};
      const bool details = command.Flag();
      if (command.Good()) session.ListProbes(id, std::move(filter), details);
      break;
    }
    case CommandName::kMoreProbes: {
      const uint32_t listing = command.Word();
      if (command.Good()) session.MoreProbes(id, listing);
      break;
    }
    case CommandName::kEndProbes: {
      const uint32_t listing = command.Word();
      if (command.Good()) session.EndProbes(id, listing);
      break;
    }
    default:
      return false;
  }
  return true;
}

// What is about processes. False for all else.
bool DispatchToProcesses(Session& session, CommandName name, uint32_t id, CommandReader& command) {
  switch (name) {
    case CommandName::kCreate: {
      platform::ProcessRequest request = ReadCreate(&command);
      if (command.Good()) session.CreateProcess(id, std::move(request));
      break;
    }
    case CommandName::kGrab: {
      const auto pid = static_cast<pid_t>(command.Word());
      const bool hold = command.Flag();
      if (command.Good()) session.GrabProcess(id, pid, hold);
      break;
    }
    case CommandName::kContinue: {
      const auto pid = static_cast<pid_t>(command.Word());
      if (command.Good()) session.ContinueProcess(id, pid);
      break;
    }
    case CommandName::kRelease: {
      const auto pid = static_cast<pid_t>(command.Word());
      if (command.Good()) session.ReleaseProcess(id, pid);
      break;
    }
    case CommandName::kSignal: {
      const auto pid = static_cast<pid_t>(command.Word());
      const uint32_t signal = command.Word();
      if (command.Good()) session.SignalProcess(id, pid, static_cast<int>(signal));
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

// Arguments are read first and the command is sent only when all of it was good.
bool Dispatch(Session& session, const char* data, size_t size) {
  CommandReader command(data, size);
  const auto name = static_cast<CommandName>(command.Byte());
  const uint32_t id = command.Word();
  switch (name) {
    case CommandName::kOpen: {
      OpenRequest request = ReadOpen(&command);
      if (command.Good()) session.Open(id, std::move(request));
      break;
    }
    case CommandName::kSetOption: {
      std::string option = command.Text();
      std::optional<std::string> value = command.OptionalText();
      if (command.Good()) session.SetOption(id, std::move(option), std::move(value));
      break;
    }
    case CommandName::kGetOption: {
      std::string option = command.Text();
      if (command.Good()) session.GetOption(id, std::move(option));
      break;
    }
    case CommandName::kCompile: {
      CompileRequest request{command.Text(), command.Texts(), command.Word()};
      if (command.Good()) session.Compile(id, std::move(request));
      break;
    }
    case CommandName::kEnable: {
      const uint32_t program = command.Word();
      if (command.Good()) session.Enable(id, program);
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
      if (command.Good()) session.Snapshot(id, std::move(request));
      break;
    }
    case CommandName::kTaken: {
      const auto kind = static_cast<PacketKind>(command.Byte());
      if (command.Good()) session.Taken(kind);
      break;
    }
    case CommandName::kRecordExtras: {
      const Extras extras{command.Flag(), command.Flag(), command.Flag()};
      if (command.Good()) session.SetExtras(id, extras);
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
