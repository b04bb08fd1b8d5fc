#include "loader_breakpoint.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include <cstdio>

namespace dtc::platform {
namespace {

#if defined(__x86_64__)
constexpr std::array<unsigned char, 1> kBreakpoint = {0xcc};
#else
constexpr std::array<unsigned char, 4> kBreakpoint = {0x00, 0x00, 0x20, 0xd4};  // arm64: brk #0
#endif

Descriptor Open(pid_t pid, const char* file, int flags) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
  return Descriptor(open(path, flags | O_CLOEXEC));
}

bool Is64Bit(pid_t pid) {
  unsigned char identification[EI_NIDENT] = {};
  const Descriptor file = Open(pid, "exe", O_RDONLY);
  return file && read(file.get(), identification, sizeof identification) == EI_NIDENT &&
         identification[EI_CLASS] == ELFCLASS64;
}

}  // namespace

LoaderBreakpoint::LoaderBreakpoint(pid_t pid) : memory_(Open(pid, "mem", O_RDWR)) {
  if (!memory_ || !Is64Bit(pid)) return;
  const uint64_t address = Find(pid);
  if (address != 0 && Read(address, &original_)) address_ = address;
}

void LoaderBreakpoint::Remove() const {
  if (address_ == 0) return;
  std::array<unsigned char, kBreakpoint.size()> now = {};
  if (!Read(address_, &now) || now != kBreakpoint) return;
  // Only what libdtrace has put there: somebody else's breakpoint, a uprobe for instance, was there before.
  const auto at = static_cast<off_t>(address_);
  [[maybe_unused]] const ssize_t written = pwrite(memory_.get(), original_.data(), kBreakpoint.size(), at);
}

template <typename Value>
bool LoaderBreakpoint::Read(uint64_t address, Value* value) const {
  return pread(memory_.get(), value, sizeof *value, static_cast<off_t>(address)) == sizeof *value;
}

// r_debug.r_brk, to which the program's dynamic section points. Nothing for a program without a dynamic linker.
uint64_t LoaderBreakpoint::Find(pid_t pid) const {
  const Descriptor vector = Open(pid, "auxv", O_RDONLY);
  if (!vector) return 0;
  uint64_t headers = 0;
  uint64_t count = 0;
  Elf64_auxv_t entry;
  while (read(vector.get(), &entry, sizeof entry) == sizeof entry && entry.a_type != AT_NULL) {
    // NOLINTBEGIN(cppcoreguidelines-pro-type-union-access): so the kernel and the linker write them
    if (entry.a_type == AT_PHDR) headers = entry.a_un.a_val;
    if (entry.a_type == AT_PHNUM) count = entry.a_un.a_val;
  }
  uint64_t base = 0;
  uint64_t dynamic = 0;
  for (uint64_t i = 0; i < count; i++) {
    Elf64_Phdr header;
    if (!Read(headers + i * sizeof header, &header)) return 0;
    if (header.p_type == PT_PHDR) base = headers - header.p_vaddr;
    if (header.p_type == PT_DYNAMIC) dynamic = header.p_vaddr;
  }
  if (dynamic == 0) return 0;
  Elf64_Dyn item;
  for (uint64_t at = base + dynamic; Read(at, &item) && item.d_tag != DT_NULL; at += sizeof item) {
    r_debug debug = {};
    if (item.d_tag == DT_DEBUG) return Read(item.d_un.d_ptr, &debug) ? debug.r_brk : 0;
    // NOLINTEND(cppcoreguidelines-pro-type-union-access)
  }
  return 0;
}

}  // namespace dtc::platform
