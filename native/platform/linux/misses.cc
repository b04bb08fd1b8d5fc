#include "misses.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors.h"

namespace dtc::platform {

// NOLINTBEGIN(cppcoreguidelines-pro-type-union-access): bpf(2) takes a union
namespace {

int Bpf(int command, bpf_attr* attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, attributes, sizeof *attributes));
}

// The number of the program that a descriptor has attached: a link, or a perf event. 0 where there is none.
uint32_t ProgramOfLink(int descriptor) {
  bpf_link_info info = {};
  bpf_attr attributes = {};
  attributes.info.bpf_fd = static_cast<uint32_t>(descriptor);
  attributes.info.info = reinterpret_cast<uint64_t>(&info);
  attributes.info.info_len = sizeof info;
  return Bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes) == 0 ? info.prog_id : 0;
}

uint32_t ProgramOfEvent(int descriptor) {
  bpf_attr attributes = {};
  // getpid() may show another process' number here: see host/pid.cc.
  attributes.task_fd_query.pid = static_cast<uint32_t>(syscall(SYS_getpid));
  attributes.task_fd_query.fd = static_cast<uint32_t>(descriptor);
  return Bpf(BPF_TASK_FD_QUERY, &attributes) == 0 ? attributes.task_fd_query.prog_id : 0;
}

int OpenProgram(uint32_t number) {
  bpf_attr attributes = {};
  attributes.prog_id = number;
  return Bpf(BPF_PROG_GET_FD_BY_ID, &attributes);
}

}  // namespace

Misses::~Misses() {
  for (const int program : programs_) close(program);
}

void Misses::Look() { others_ = Attached(); }

void Misses::Join() {
  std::set<uint32_t> numbers;
  for (const int descriptor : Attached()) {
    if (others_.count(descriptor) != 0) continue;
    const uint32_t number =
        IsDescriptorOf(descriptor, kBpfLink) ? ProgramOfLink(descriptor) : ProgramOfEvent(descriptor);
    if (number != 0) numbers.insert(number);
  }
  for (const uint32_t number : numbers) {
    const int program = OpenProgram(number);
    if (program >= 0) programs_.push_back(program);
  }
}

uint64_t Misses::Count() const {
  uint64_t count = 0;
  for (const int program : programs_) {
    bpf_prog_info info = {};
    bpf_attr attributes = {};
    attributes.info.bpf_fd = static_cast<uint32_t>(program);
    attributes.info.info = reinterpret_cast<uint64_t>(&info);
    attributes.info.info_len = sizeof info;
    if (Bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes) == 0) count += info.recursion_misses;
  }
  return count;
}

// NOLINTEND(cppcoreguidelines-pro-type-union-access)

}  // namespace dtc::platform
