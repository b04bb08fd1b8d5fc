// A view of /proc for dtrace_go(), in which this process has next to nothing mapped.
#pragma once

#include <string>

namespace dtc::platform {

// BEGIN and END are uprobes on two functions of libdtrace. dtrace_go() finds each by its name, in every object that the
// process has mapped, lowest address first: so it reads and sorts the symbol tables of the executable, twice. Node's
// have 180,000 symbols, and that takes 0.2 s, a quarter of the time to ready. libdtrace's option `procfspath` says
// where /proc is: this is a folder of links to it, but for this process's `maps`, which has libdtrace and the loader
// alone.
//
// For the duration of dtrace_go() only. Where it cannot be made, path() is empty, and all works without it, slower.
class ProcfsView {
 public:
  explicit ProcfsView(const std::string& library);
  ~ProcfsView();
  ProcfsView(const ProcfsView&) = delete;
  ProcfsView& operator=(const ProcfsView&) = delete;

  const std::string& path() const { return path_; }

 private:
  bool Fill(const std::string& library);

  std::string folder_;
  std::string path_;
};

}  // namespace dtc::platform
