// Memory that libdtrace prints to as if it were a file. Its own way to print into memory, dtrace_handle_buffered(),
// does not do: libdtrace 2 hands over what it has gathered after printa() only.
#pragma once

#include <cstdio>
#include <memory>
#include <string_view>

namespace dtc {

class TextOutput {
 public:
  TextOutput() : file_(open_memstream(&text_, &length_), std::fclose) {}
  ~TextOutput();
  TextOutput(const TextOutput&) = delete;
  TextOutput& operator=(const TextOutput&) = delete;

  // Null where there is no memory for it.
  FILE* file() const { return file_.get(); }
  // What was printed since the last time; valid until more is printed.
  std::string_view Take();

 private:
  char* text_ = nullptr;
  size_t length_ = 0;
  std::unique_ptr<FILE, int (*)(FILE*)> file_;
};

}  // namespace dtc
