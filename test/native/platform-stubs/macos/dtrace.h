// Declarations for `npm run check`: what is macOS' own in <dtrace.h>. There the names of libelf are macros, for this
// header only: nothing that includes it can say GElf_Sym.
#pragma once

#define DTRACE_FUNCNAMELEN 128

#include <library.h>

#define GElf_Addr __GElf_Addr
#define GElf_Sym __GElf_Sym

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned long GElf_Addr;
typedef struct {
  long st_name;
  unsigned char st_info, st_other;
  unsigned short st_shndx;
  GElf_Addr st_value;
  unsigned long st_size;
} GElf_Sym;

int dtrace_signal(dtrace_hdl_t*);
struct ps_prochandle* dtrace_proc_create(dtrace_hdl_t*, const char*, char* const*);
int dtrace_lookup_by_addr(dtrace_hdl_t*, GElf_Addr, char*, size_t, GElf_Sym*, dtrace_syminfo_t*);

#ifdef __cplusplus
}
#endif

#undef GElf_Addr
#undef GElf_Sym
