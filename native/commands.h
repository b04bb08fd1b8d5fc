// From a command's bytes to what the DTrace thread does. Any thread.
#pragma once

#include <cstddef>

#include "protocol.h"
#include "session.h"

namespace dtc {

// The arguments of open, for those who have something to say about them.
OpenRequest ReadOpen(CommandReader* command);

// False for what is no command: the sender does not speak this protocol.
bool Dispatch(Session& session, const char* data, size_t size);

}  // namespace dtc
