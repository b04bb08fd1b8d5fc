// The session's side of a keeper (native/keeper): the parent of a process that the session has started.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <utility>

#include "../../keeper/message.h"
#include "../shapes.h"
#include "descriptor.h"

namespace dtc::platform {

class Keeper {
 public:
  // Starts the keeper, which lies beside this library or program, and through it the process, held at its first
  // instruction. Null on failure. Waits for the program's dynamic linker: milliseconds, for most programs.
  static std::unique_ptr<Keeper> Start(const ProcessRequest& request, ProcessFailure* failure);
  // Ends the process, unless it has been released.
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  pid_t pid() const { return pid_; }
  // Lets the process begin, once whoever holds it lets it run. 0 or an errno.
  int Continue();
  // The process lives on by itself, and its end will not be told.
  void Release();
  // Once it has ended: how.
  ProcessEnd End();

 private:
  Keeper(Descriptor channel, pid_t keeper) : channel_(std::move(channel)), keeper_(keeper) {}
  // Null when the keeper is no more, or says nothing in time.
  std::optional<keeper::Message> Receive(int timeout) const;
  static ProcessFailure Explain(const keeper::Message& message);

  Descriptor channel_;
  pid_t keeper_;
  pid_t pid_ = -1;
};

}  // namespace dtc::platform
