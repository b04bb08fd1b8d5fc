// Keeps the process' signals from the thread that calls into the kernel's verifier.
#pragma once

#include <pthread.h>

#include <csignal>

namespace dtc {

// While this lives, other threads take the process' signals. The kernel gives up the verification of a BPF program with
// EAGAIN when a signal arrives (kernel: do_check, kernel/bpf/verifier.c), and a process that has children gets many.
// Not for longer than a call: programs that libdtrace starts would begin with their signals held back.
class SignalsHeldBack {
 public:
  SignalsHeldBack() {
    sigset_t signals;
    sigfillset(&signals);
    // The first is how libdtrace speaks to its own threads; the others are this thread's own faults.
    for (const int own : {SIGRTMIN, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&signals, own);
    pthread_sigmask(SIG_BLOCK, &signals, &before_);
  }
  ~SignalsHeldBack() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeldBack(const SignalsHeldBack&) = delete;
  SignalsHeldBack& operator=(const SignalsHeldBack&) = delete;

 private:
  sigset_t before_ = {};
};

}  // namespace dtc
