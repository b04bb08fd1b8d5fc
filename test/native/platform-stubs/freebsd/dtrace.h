// Declarations for `npm run check`: what is FreeBSD's own in <dtrace.h>; proc_child_func is <libproc.h>'s.
#pragma once

#include <gelf.h>
#include <library.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void proc_child_func(void*);
struct ps_prochandle* dtrace_proc_create(dtrace_hdl_t*, const char*, char* const*, proc_child_func*, void*);
int dtrace_lookup_by_addr(dtrace_hdl_t*, GElf_Addr, GElf_Sym*, dtrace_syminfo_t*);

#ifdef __cplusplus
}
#endif
