// Declarations for `npm run check`: what is illumos' own in <dtrace.h>.
#pragma once

#include <gelf.h>
#include <library.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ps_prochandle* dtrace_proc_create(dtrace_hdl_t*, const char*, char* const*);
int dtrace_lookup_by_addr(dtrace_hdl_t*, GElf_Addr, GElf_Sym*, dtrace_syminfo_t*);

#ifdef __cplusplus
}
#endif
