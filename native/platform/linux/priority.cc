#include "priority.h"

#include <sched.h>
#include <sys/resource.h>

namespace dtc::platform {
namespace {

constexpr int kUsual = 0;
constexpr int kRaised = -10;

}  // namespace

// With 0 both mean the calling thread, not its process (setpriority(2), "C library/kernel differences").
void Priority::Raise() {
  if (raised_ || sched_getscheduler(0) != SCHED_OTHER || getpriority(PRIO_PROCESS, 0) != kUsual) return;
  const sched_param none = {};
  if (sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none) != 0) return;
  raised_ = setpriority(PRIO_PROCESS, 0, kRaised) == 0;
}

void Priority::Lower() {
  if (raised_) setpriority(PRIO_PROCESS, 0, kUsual);
  raised_ = false;
}

}  // namespace dtc::platform
