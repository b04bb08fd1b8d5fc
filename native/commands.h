// From a command's bytes to the session's method. Any thread.
#pragma once

#include <cstddef>

#include "session.h"

namespace dtc {

// False for what is no command: the sender does not speak this protocol.
bool Dispatch(Session& session, const char* data, size_t size);

}  // namespace dtc
