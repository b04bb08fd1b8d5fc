#include "reaper.h"

#include <dlfcn.h>
#include <sys/wait.h>

#include <cerrno>
#include <thread>

namespace dtc {
namespace {

// Node.js unloads an addon together with the last environment that has loaded it, which may be this worker's; the
// threads outlive that.
void StayLoaded() {
  Dl_info info = {};
  if (dladdr(reinterpret_cast<void*>(&StayLoaded), &info) != 0) dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
}

}  // namespace

Reaper::Reaper(Napi::Env env) : env_(env) { napi_add_env_cleanup_hook(env_, OnExit, this); }

Reaper::~Reaper() { napi_remove_env_cleanup_hook(env_, OnExit, this); }

void Reaper::OnExit(void* reaper) {
  std::set<pid_t>& pids = static_cast<Reaper*>(reaper)->pids_;
  if (!pids.empty()) StayLoaded();
  for (const pid_t pid : pids) {
    std::thread([pid] {
      while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
    }).detach();
  }
  pids.clear();
}

}  // namespace dtc
