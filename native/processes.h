// The processes that a session has started or holds. Belongs to the DTrace thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "descriptor_watch.h"
#include "libdtrace.h"
#include "message.h"

namespace dtc {

class Processes {
 public:
  // `look` is called on some other thread when Ended() may have something to tell.
  Processes(const Library& library, dtrace_hdl_t* handle, std::function<void()> look);
  ~Processes();
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  // Starts a program, held at its first instruction. Gives its number.
  Result Create(const platform::ProcessRequest& request);
  // Takes hold of a process; with `hold` it stands still until it is continued.
  Result Grab(pid_t pid, bool hold);
  // Lets it run. No failure if it does already, or has ended.
  Result Continue(pid_t pid);
  // It lives on by itself, and its end is not told.
  Result Release(pid_t pid);
  Result Signal(pid_t pid, int signal);

  // Ends those that were started and not released. Before dtrace_close(), which lets go of all: one that stands would
  // run on the spot.
  void EndCreated() const;

  // Those that have ended since the last time.
  std::vector<ProcessExited> Ended();

 private:
  struct Held {
    platform::Process* process = nullptr;
    std::unique_ptr<platform::Keeper> keeper;  // of one that was started here
    platform::ProcessHandle handle;
    bool stands = true;
    bool ended = false;
  };

  Result Hold(pid_t pid, std::unique_ptr<platform::Keeper> keeper, bool hold);

  const Library& library_;
  dtrace_hdl_t* handle_;
  std::map<pid_t, Held> held_;
  std::mutex mutex_;
  std::vector<int> readable_;  // shared with the thread of the watch
  const std::function<void()> look_;
  DescriptorWatch watch_;  // last: its thread uses the rest
};

}  // namespace dtc
