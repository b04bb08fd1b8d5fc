#include "processes.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

#include "json.h"

namespace dtc {
namespace {

Failure NotHeld(pid_t pid) {
  return {"ERR_DTRACE_STATE", "process " + std::to_string(pid) +
                                  " is not held by this consumer (any more: it may have ended, or been released)"};
}

}  // namespace

Processes::Processes(const Library& library, dtrace_hdl_t* handle, std::function<void()> look)
    : library_(library), handle_(handle), look_(std::move(look)), watch_([this](int descriptor) {
        {
          const std::lock_guard<std::mutex> lock(mutex_);
          readable_.push_back(descriptor);
        }
        look_();
      }) {}

Processes::~Processes() {
  for (const auto& [pid, held] : held_) watch_.Remove(held.handle.descriptor());
}

Result Processes::Create(const platform::ProcessRequest& request) {
  platform::ProcessFailure failure;
  std::unique_ptr<platform::Keeper> keeper = platform::Keeper::Start(request, &failure);
  if (!keeper) return Failure{failure.code, failure.reason, failure.error};
  const pid_t pid = keeper->pid();
  return Hold(pid, std::move(keeper), true);
}

Result Processes::Grab(pid_t pid, bool hold) {
  const auto known = held_.find(pid);
  if (known != held_.end() && !known->second.ended) {
    return Failure{"ERR_DTRACE_STATE", "this consumer holds it already"};
  }
  if (const auto why = platform::WhyNotHold(pid)) return Failure{why->code, why->reason, why->error};
  return Hold(pid, nullptr, hold);
}

Result Processes::Hold(pid_t pid, std::unique_ptr<platform::Keeper> keeper, bool hold) {
  platform::ProcessHandle handle(pid);
  if (handle.descriptor() < 0) {
    return Failure{"ERR_DTRACE_PROCESS", std::string("its end can't be watched: ") + std::strerror(errno), errno};
  }
  const platform::LoaderBreakpoint breakpoint(pid);
  platform::Process* process = platform::GrabProcess(library_.dtrace_proc_grab, handle_, pid);
  breakpoint.Remove();
  if (process == nullptr) {
    const int error = library_.dtrace_errno(handle_);
    return Failure{"ERR_DTRACE_PROCESS", library_.dtrace_errmsg(handle_, error), error};
  }
  // A number that has come again is another process.
  held_.erase(pid);
  Held& held = held_.emplace(pid, Held{process, std::move(keeper), std::move(handle)}).first->second;
  if (!hold) Continue(pid);
  watch_.Add(held.handle.descriptor());
  return Success{json::Text(pid)};
}

Result Processes::Continue(pid_t pid) {
  const auto found = held_.find(pid);
  if (found == held_.end()) return NotHeld(pid);
  Held& held = found->second;
  if (!held.stands || held.ended) return Success{};
  const int error = held.keeper ? held.keeper->Continue() : 0;
  // One that can't begin would stay on its first instruction for ever.
  const bool is_lost = error != 0 && held.handle.Signal(SIGKILL) == 0;
  held.stands = false;
  library_.dtrace_proc_continue(handle_, held.process);
  if (is_lost) {
    return Failure{"ERR_DTRACE_PROCESS", std::string("it can't begin, and was ended: ") + std::strerror(error), error};
  }
  return Success{};
}

Result Processes::Release(pid_t pid) {
  const auto found = held_.find(pid);
  if (found == held_.end()) return NotHeld(pid);
  Result running = Continue(pid);
  if (std::holds_alternative<Failure>(running)) return running;
  Held& held = found->second;
  watch_.Remove(held.handle.descriptor());
  if (held.keeper && !held.ended) held.keeper->Release();
  library_.dtrace_proc_release(handle_, held.process);
  held_.erase(found);
  return Success{};
}

Result Processes::Signal(pid_t pid, int signal) {
  const auto found = held_.find(pid);
  if (found == held_.end()) return NotHeld(pid);
  const int error = found->second.ended ? ESRCH : found->second.handle.Signal(signal);
  if (error == 0) return Success{};
  return Failure{error == ESRCH ? "ERR_DTRACE_STATE" : "ERR_DTRACE_PROCESS", std::strerror(error), error};
}

void Processes::EndCreated() const {
  for (const auto& [pid, held] : held_) {
    if (held.keeper && !held.ended) held.handle.Signal(SIGKILL);
  }
}

std::vector<ProcessExited> Processes::Ended() {
  std::vector<int> readable;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    readable.swap(readable_);
  }
  std::vector<ProcessExited> ended;
  for (const int descriptor : readable) {
    for (auto& [pid, held] : held_) {
      if (held.handle.descriptor() != descriptor || held.ended) continue;
      held.ended = true;
      const platform::ProcessEnd end = held.keeper ? held.keeper->End() : held.handle.End();
      ended.push_back({pid, end.status, end.signal});
      break;
    }
  }
  return ended;
}

}  // namespace dtc
