// What D programs take for the number of the consumer's process.
#pragma once

#include <sys/types.h>

namespace dtc::host {

// $pid is to be the process that the session works for, wherever it runs: a program that leaves out its own service
// says `pid != $pid`. libdtrace asks getpid(), and this program has one of its own, which stands before the C library's
// in the order of look-ups. From now on it gives this number, or the true one again with 0. DTrace thread.
void ShowPid(pid_t pid);

}  // namespace dtc::host
