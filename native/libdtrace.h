// libdtrace, opened at run time: the table of the functions that are used, and the handle.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "platform/platform.h"

namespace dtc {

// Opened with dlopen rather than linked, so that the addon loads where there is no DTrace and can say what is
// missing, and so that a fresh load can follow a close: libdtrace 2 keeps statics that allow one enabling per load.
class Library {
 public:
  // Opens `path` after everything in `preload` (the private libraries that it needs).
  // Null on failure, with the linker's words in `error`.
  static std::unique_ptr<Library> Open(const std::string& path, const std::vector<std::string>& preload,
                                       std::string* error);
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  // What dlopen() gave.
  void* object() const { return object_; }
  // The version string, e.g. "D 2.0.7".
  std::string Version() const;

// clang-format off
#define DTC_FUNCTIONS(V)                                                                                 \
  V(open) V(go) V(stop) V(close) V(errno) V(errmsg) V(setopt) V(getopt) V(program_fcompile)            \
  V(program_exec) V(work) V(status) V(handle_err) V(handle_drop) V(handle_setopt) V(stmt_iter)         \
  V(printf_format) V(faultstr) V(lookup_by_addr) V(uaddr2str) V(proc_continue) V(proc_release)          \
  V(aggregate_snap) V(aggregate_print) V(aggregate_walk) V(aggregate_walk_joined)                        \
  V(aggregate_walk_keysorted) V(aggregate_walk_valsorted)                                                \
  V(aggregate_walk_keyvarsorted) V(aggregate_walk_valvarsorted)                                          \
  V(aggregate_walk_keyrevsorted) V(aggregate_walk_valrevsorted)                                          \
  V(aggregate_walk_keyvarrevsorted) V(aggregate_walk_valvarrevsorted)                                    \
  V(probe_iter) V(probe_info) V(str2desc) V(id2desc) V(stability_name) V(class_name)
// clang-format on
#define DTC_DECLARE(name) decltype(&::dtrace_##name) dtrace_##name = nullptr;
  DTC_FUNCTIONS(DTC_DECLARE)
#undef DTC_DECLARE

  // dtrace_init exists in libdtrace 2 only.
  using InitFunction = int (*)(dtrace_hdl_t*);
  InitFunction dtrace_init = nullptr;

  // Used where platform::kLooksBeforeItEnds.
  using ConsumeFunction = int (*)(dtrace_hdl_t*, FILE*, dtrace_consume_probe_f*, dtrace_consume_rec_f*, void*);
  ConsumeFunction dtrace_consume = nullptr;

  // Has another name in each: platform::kGrabProcess.
  using GrabFunction = platform::Process* (*)(dtrace_hdl_t*, pid_t, int);
  GrabFunction dtrace_proc_grab = nullptr;

  // libctf's, which libdtrace brings along. Null where it doesn't.
  decltype(&::ctf_type_name) ctf_type_name = nullptr;

 private:
  explicit Library(void* object) : object_(object) {}
  bool Resolve(std::string* error);

  void* object_;
};

// Owns a dtrace_hdl_t. Belongs to one thread: libdtrace is not thread-safe.
class Handle {
 public:
  Handle(const Library& library, dtrace_hdl_t* handle) : library_(library), handle_(handle) {}
  ~Handle() {
    if (handle_ != nullptr) library_.dtrace_close(handle_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  // Leaves it open.
  void Abandon() { handle_ = nullptr; }

  dtrace_hdl_t* get() const { return handle_; }
  int Errno() const { return library_.dtrace_errno(handle_); }
  std::string Message(int error) const { return library_.dtrace_errmsg(handle_, error); }

 private:
  const Library& library_;
  dtrace_hdl_t* handle_;
};

}  // namespace dtc
