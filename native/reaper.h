// Waits for child processes whose event loop has gone.
#pragma once

#include <napi.h>

#include <sys/types.h>

#include <set>

namespace dtc {

// libuv takes the exit status of a child that a worker thread has started only while that worker's event loop is there.
// When the worker is terminated, its children end (their input ends), and would stay in the process table until the
// whole process ends. So at a worker's end each of them gets a thread that waits for it.
class Reaper {
 public:
  explicit Reaper(Napi::Env env);
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  void Watch(pid_t pid) { pids_.insert(pid); }
  // libuv has its exit status.
  void Forget(pid_t pid) { pids_.erase(pid); }

 private:
  static void OnExit(void* reaper);

  Napi::Env env_;
  std::set<pid_t> pids_;
};

}  // namespace dtc
