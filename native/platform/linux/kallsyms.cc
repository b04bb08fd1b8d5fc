#include "kallsyms.h"

#include <cstdio>
#include <cstring>
#include <memory>

namespace dtc::platform {

// Lines are "ffffffff81000000 T name", and "\t[module]" behind it where it is a module's.
bool HasSymbol(const std::string& name) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/kallsyms", "re"), std::fclose);
  if (!file) return true;
  const std::string end = " " + name + "\n";
  char line[1024];
  while (std::fgets(line, sizeof line, file.get()) != nullptr) {
    const size_t length = std::strlen(line);
    if (length >= end.size() && std::strcmp(line + length - end.size(), end.c_str()) == 0) return true;
  }
  return false;
}

}  // namespace dtc::platform
