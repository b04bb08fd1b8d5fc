#include "text_output.h"

#include <cstdlib>

namespace dtc {

TextOutput::~TextOutput() {
  file_.reset();  // it writes into the memory once more
  // NOLINTNEXTLINE(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory): open_memstream allocates it so
  std::free(text_);
}

std::string_view TextOutput::Take() {
  if (!file_ || std::fflush(file_.get()) != 0) return {};
  const std::string_view text(text_, length_);
  // The memory is kept, and written over.
  std::rewind(file_.get());
  return text;
}

}  // namespace dtc
