// Taking the probes away at the end of the process, without what dtrace_close() does besides.
#pragma once

#include <set>

namespace dtc::platform {

// dtrace_close() spends 2 to 4 s freeing its tables of types, one by one, just before the kernel takes the whole
// process's memory anyway. What outlives a process are only the entries in tracefs' uprobe_events, and those can go
// once the perf events that use them are closed.
class Leave {
 public:
  // Before libdtrace opens any: the perf events that are somebody else's.
  void Look();
  // Closes the session's perf events and removes its uprobes. libdtrace must not be called after it. What can't be
  // removed within a second stays; the next consumer on this machine removes it.
  void TakeProbesAway() const;

 private:
  std::set<int> others_;
};

// Before a session opens: takes away the probes that consumers left behind which were killed. The next one with such a
// number could not start its own. Only entries that are libdtrace's by their name, and whose process is no more.
void RemoveLeftovers();

}  // namespace dtc::platform
