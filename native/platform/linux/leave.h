// Taking the probes away, without what dtrace_close() does besides.
#pragma once

#include <set>

namespace dtc::platform {

// dtrace_close() spends 2 to 4 s freeing its tables of types, one by one; at the end of a process just before the
// kernel takes all of its memory anyway. What outlives a process are only the entries in tracefs' uprobe_events, and
// those can go once the perf events that use them are closed.
class Leave {
 public:
  // Before libdtrace opens any: the perf events that are somebody else's.
  void Look();
  // Around dtrace_go(), which opens nearly all of them.
  void LookBeforeGo();
  void LookAfterGo();
  // Takes away the session's perf events, BPF links and uprobes. Of libdtrace only dtrace_close() may be called after
  // it: the numbers of the descriptors stay taken, by what nobody misses when it closes them again. What can't be
  // removed within a second stays; the next consumer on this machine removes it.
  // Without the end of the process, what dtrace_go() has not opened is left to dtrace_close(): others may have opened
  // theirs since.
  void TakeProbesAway(bool process_ends) const;

 private:
  std::set<int> others_;
  std::set<int> before_go_;
  std::set<int> own_;
};

// Before a session opens: takes away the probes that consumers left behind which were killed. The next one with such a
// number could not start its own. Only entries that are libdtrace's by their name, and whose process is no more.
void RemoveLeftovers();

}  // namespace dtc::platform
