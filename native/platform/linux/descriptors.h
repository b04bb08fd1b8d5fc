// The process's open descriptors of one kind. Linux: /proc/self/fd, see proc(5).
#pragma once

#include <set>

namespace dtc::platform {

inline constexpr const char* kEpollSet = "anon_inode:[eventpoll]";
inline constexpr const char* kPerfEvent = "anon_inode:[perf_event]";
inline constexpr const char* kBpfLink = "anon_inode:bpf_link";
inline constexpr const char* kBpfMap = "anon_inode:bpf-map";

bool IsDescriptorOf(int descriptor, const char* kind);
std::set<int> DescriptorsOf(const char* kind);
// Those by which the kernel knows what is attached to probes.
std::set<int> Attached();

}  // namespace dtc::platform
