/*
 * The yardstick: the least that any consumer of libdtrace can do. It compiles and enables one program, waits until the
 * next buffer switch as the addon's DTrace thread does, and in the callbacks counts records and adds up their values'
 * lengths. What `dtrace-consumer` costs on top of this is what the benchmarks measure.
 *
 *   bare-consumer [--preload FILE]... --library FILE [-x option[=value]]... --program FILE [--latency FIELD] [ARG...]
 *
 * ARGs become $1, $2… of the program. With --latency, value number FIELD (from 0) of each record is a CLOCK_MONOTONIC
 * time in nanoseconds and the time from there to the record callback is sampled.
 *
 * It speaks the benchmark's protocol, one JSON object a line (see bench/harness/consumer-process.mjs):
 *   out  {"event":"ready",…}    tracing; milliseconds and CPU of each step up to here
 *   in   begin                  out {"event":"begun"}: CPU and records count from zero
 *   in   finish N               out {"event":"result",…} once N records have been delivered or dropped, or none has
 *                               come for QUIET_NS; then {"event":"stopped",…} with
 *                               what stopping still brought, and the end
 * End of input without `finish` ends it too, so that a benchmark that dies leaves no probes behind.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <dtrace.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
/* Drop counts are read once per `statusrate` (a second): quiet must last longer than that to mean "that was all". */
#define QUIET_NS (3 * NS_PER_S)
#define MAX_OPTIONS 64

/* Every function of libdtrace that is used here; the addon opens the library in the same way. */
/* clang-format off */
#define LIBDTRACE_FUNCTIONS(X)                                                                       \
  X(dtrace_open) X(dtrace_init) X(dtrace_setopt) X(dtrace_getopt) X(dtrace_errno) X(dtrace_errmsg)   \
  X(dtrace_program_fcompile) X(dtrace_program_exec) X(dtrace_handle_drop) X(dtrace_handle_err)       \
  X(dtrace_go) X(dtrace_work) X(dtrace_stop) X(dtrace_close)
/* clang-format on */

static struct {
#define DECLARE(name) __typeof__(&name) name;
  LIBDTRACE_FUNCTIONS(DECLARE)
#undef DECLARE
} lib;

enum command { NONE, BEGIN_PHASE, FINISH };

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  enum command command;
  uint64_t target;
} inbox = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct {
  uint64_t records, bytes, drops, errors;
  int latency_field; /* -1: not sampled */
  uint64_t* samples;
  size_t sample_count, sample_room;
} tally = {.latency_field = -1};

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
         (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void fail(const char* step, const char* why) {
  fprintf(stderr, "bare-consumer: %s: %s\n", step, why);
  exit(1);
}

static void fail_dtrace(dtrace_hdl_t* handle, const char* step) {
  fail(step, lib.dtrace_errmsg(handle, lib.dtrace_errno(handle)));
}

/* A private copy of libdtrace needs libraries that the system lacks: once open, they satisfy it by their names. */
static void preload_library(const char* path) {
  if (dlopen(path, RTLD_NOW | RTLD_LOCAL) == NULL) fail("cannot load a library that libdtrace needs", dlerror());
}

static void load_library(const char* path) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) fail("cannot load libdtrace", dlerror());
#define RESOLVE(name) \
  if ((lib.name = (__typeof__(lib.name))dlsym(library, #name)) == NULL) fail("libdtrace lacks a function", dlerror());
  LIBDTRACE_FUNCTIONS(RESOLVE)
#undef RESOLVE
}

static int on_probe(const dtrace_probedata_t* data, void* arg) {
  (void)data;
  (void)arg;
  tally.records++;
  return DTRACE_CONSUME_THIS;
}

static void sample_latency(const dtrace_probedata_t* data, const dtrace_recdesc_t* rec) {
  if (rec - data->dtpda_ddesc->dtdd_recs != tally.latency_field || rec->dtrd_size != sizeof(uint64_t)) return;
  if (tally.sample_count == tally.sample_room) {
    tally.sample_room = tally.sample_room ? tally.sample_room * 2 : 4096;
    tally.samples = realloc(tally.samples, tally.sample_room * sizeof *tally.samples);
    if (tally.samples == NULL) fail("latency samples", "out of memory");
  }
  uint64_t sent;
  memcpy(&sent, data->dtpda_data, sizeof sent);
  tally.samples[tally.sample_count++] = now_ns() - sent;
}

static int on_record(const dtrace_probedata_t* data, const dtrace_recdesc_t* rec, void* arg) {
  (void)arg;
  if (rec == NULL) return DTRACE_CONSUME_NEXT; /* the end of this firing's records */
  /*
   * Reads what was delivered, or it would be no consumer: of a string its length, of an integer its size. The programs
   * emit nothing else. The sum must come out the same as the one that the consumers in Node make of their records.
   */
  tally.bytes += rec->dtrd_size > sizeof(uint64_t) ? strnlen(data->dtpda_data, rec->dtrd_size) : rec->dtrd_size;
  if (tally.latency_field >= 0) sample_latency(data, rec);
  return DTRACE_CONSUME_NEXT; /* taken: libdtrace need not format it */
}

static int on_drop(const dtrace_dropdata_t* drop, void* arg) {
  (void)arg;
  tally.drops += drop->dtdda_drops;
  return DTRACE_HANDLE_OK;
}

static int on_error(const dtrace_errdata_t* error, void* arg) {
  (void)arg;
  if (tally.errors++ == 0) fprintf(stderr, "bare-consumer: %s", error->dteda_msg);
  return DTRACE_HANDLE_OK;
}

static void post(enum command command, uint64_t target) {
  pthread_mutex_lock(&inbox.mutex);
  inbox.command = command;
  inbox.target = target;
  pthread_cond_signal(&inbox.changed);
  pthread_mutex_unlock(&inbox.mutex);
}

static void* read_commands(void* arg) {
  (void)arg;
  char line[128];
  bool finished = false;
  while (fgets(line, sizeof line, stdin) != NULL) {
    uint64_t target;
    if (strcmp(line, "begin\n") == 0) {
      post(BEGIN_PHASE, 0);
    } else if (sscanf(line, "finish %" SCNu64, &target) == 1) {
      post(FINISH, target);
      finished = true;
    } else {
      fprintf(stderr, "bare-consumer: unknown command: %s", line);
    }
  }
  if (!finished) post(FINISH, 0);
  return NULL;
}

/* Waits until `when` or until a command arrives, and takes the command. */
static enum command wait_for_command(uint64_t when, uint64_t* target) {
  const struct timespec t = {.tv_sec = (time_t)(when / NS_PER_S), .tv_nsec = (long)(when % NS_PER_S)};
  pthread_mutex_lock(&inbox.mutex);
  while (inbox.command == NONE && pthread_cond_timedwait(&inbox.changed, &inbox.mutex, &t) == 0) {
  }
  const enum command command = inbox.command;
  *target = inbox.target;
  inbox.command = NONE;
  pthread_mutex_unlock(&inbox.mutex);
  return command;
}

static int by_value(const void* a, const void* b) {
  const uint64_t x = *(const uint64_t*)a;
  const uint64_t y = *(const uint64_t*)b;
  return (x > y) - (x < y);
}

static double quantile_us(double q) {
  if (tally.sample_count == 0) return 0;
  return (double)tally.samples[(size_t)(q * (double)(tally.sample_count - 1) + 0.5)] / 1000;
}

/* The most memory that this process ever had: ru_maxrss won't do, a parent's from before the exec is in it. */
static uint64_t peak_kilobytes(void) {
  FILE* const status = fopen("/proc/self/status", "r");
  if (status == NULL) fail("/proc/self/status", "cannot be read");
  char line[256];
  uint64_t peak = 0;
  while (fgets(line, sizeof line, status) != NULL && sscanf(line, "VmHWM: %" SCNu64, &peak) != 1) {
  }
  fclose(status);
  return peak;
}

static void print_result(uint64_t cpu, uint64_t since) {
  printf("{\"event\":\"result\",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"drops\":%" PRIu64 ",\"errors\":%" PRIu64
         ",\"cpuMicroseconds\":%" PRIu64 ",\"peakKilobytes\":%" PRIu64 ",\"seconds\":%.6f",
         tally.records, tally.bytes, tally.drops, tally.errors, cpu, peak_kilobytes(),
         (double)(now_ns() - since) / NS_PER_S);
  if (tally.latency_field >= 0) {
    if (tally.sample_count != 0) qsort(tally.samples, tally.sample_count, sizeof *tally.samples, by_value);
    printf(
        ",\"latency\":{\"samples\":%zu,\"medianMicroseconds\":%.1f,\"p90Microseconds\":%.1f"
        ",\"p99Microseconds\":%.1f,\"p999Microseconds\":%.1f}",
        tally.sample_count, quantile_us(0.5), quantile_us(0.9), quantile_us(0.99), quantile_us(0.999));
  }
  printf("}\n");
  fflush(stdout);
}

/* Sleeps between switches as the addon's thread does: dtrace_work() called too early returns at once and would spin. */
static void consume(dtrace_hdl_t* handle, uint64_t interval) {
  bool finishing = false;
  uint64_t target = 0;
  uint64_t begun_cpu = cpu_us();
  uint64_t begun = now_ns();
  uint64_t seen = 0;
  uint64_t last_progress = begun;
  uint64_t next = begun + interval;
  for (;;) {
    uint64_t commanded = 0;
    switch (wait_for_command(next, &commanded)) {
      case BEGIN_PHASE:
        tally.records = tally.bytes = tally.drops = tally.errors = 0;
        tally.sample_count = 0;
        seen = 0;
        printf("{\"event\":\"begun\"}\n");
        fflush(stdout);
        begun = now_ns();
        begun_cpu = cpu_us();
        break;
      case FINISH:
        finishing = true;
        target = commanded;
        last_progress = now_ns();
        break;
      case NONE:
        break;
    }
    const uint64_t now = now_ns();
    if (now >= next) {
      next = now + interval;
      const dtrace_workstatus_t status = lib.dtrace_work(handle, NULL, on_probe, on_record, NULL);
      if (status == DTRACE_WORKSTATUS_ERROR) fail_dtrace(handle, "dtrace_work");
      if (status == DTRACE_WORKSTATUS_DONE) finishing = true;
    }
    if (tally.records + tally.drops != seen) {
      seen = tally.records + tally.drops;
      last_progress = now_ns();
    }
    if (finishing && (seen >= target || now_ns() - last_progress > QUIET_NS)) break;
  }
  print_result(cpu_us() - begun_cpu, begun);
}

/* The steps of the `ready` line, kept back until it is whole: a step that fails must not leave half a line. */
static char steps[1024];
static size_t steps_length;

/* Notes the end of a step, with the wall-clock and CPU time since the one before. */
static void step(const char* name, uint64_t* wall, uint64_t* cpu) {
  const uint64_t wall_now = now_ns();
  const uint64_t cpu_now = cpu_us();
  const int written = snprintf(
      steps + steps_length, sizeof steps - steps_length, "%s\"%s\":{\"milliseconds\":%.2f,\"cpuMilliseconds\":%.2f}",
      steps_length == 0 ? "" : ",", name, (double)(wall_now - *wall) / 1e6, (double)(cpu_now - *cpu) / 1e3);
  if (written < 0 || (size_t)written >= sizeof steps - steps_length) fail("ready line", "too long");
  steps_length += (size_t)written;
  *wall = wall_now;
  *cpu = cpu_now;
}

int main(int argc, char** argv) {
  const uint64_t started = now_ns();
  uint64_t wall = started;
  uint64_t cpu = cpu_us();

  static const struct option long_options[] = {{"preload", required_argument, NULL, 'r'},
                                               {"library", required_argument, NULL, 'l'},
                                               {"program", required_argument, NULL, 'p'},
                                               {"latency", required_argument, NULL, 'y'},
                                               {NULL, 0, NULL, 0}};
  const char* library = NULL;
  const char* program_path = NULL;
  char* options[MAX_OPTIONS];
  size_t option_count = 0;
  for (int c; (c = getopt_long(argc, argv, "+x:", long_options, NULL)) != -1;) {
    switch (c) {
      case 'r':
        preload_library(optarg);
        break;
      case 'l':
        library = optarg;
        break;
      case 'p':
        program_path = optarg;
        break;
      case 'y':
        tally.latency_field = atoi(optarg);
        break;
      case 'x':
        if (option_count == MAX_OPTIONS) fail("-x", "too many options");
        options[option_count++] = optarg;
        break;
      default:
        fail("usage", "bare-consumer --library FILE [-x option=value]... --program FILE [--latency N] [ARG...]");
    }
  }
  if (library == NULL || program_path == NULL) fail("usage", "--library and --program are needed");

  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&inbox.changed, &monotonic);

  load_library(library);
  step("load", &wall, &cpu);

  int error = 0;
  dtrace_hdl_t* const handle = lib.dtrace_open(DTRACE_VERSION, 0, &error);
  if (handle == NULL) fail("dtrace_open", lib.dtrace_errmsg(NULL, error));
  step("open", &wall, &cpu);

  for (size_t i = 0; i < option_count; i++) {
    char* value = strchr(options[i], '=');
    if (value != NULL) *value++ = '\0';
    if (lib.dtrace_setopt(handle, options[i], value) != 0) fail_dtrace(handle, options[i]);
  }
  if (lib.dtrace_init(handle) != 0) fail_dtrace(handle, "dtrace_init");
  step("init", &wall, &cpu);

  FILE* const source = fopen(program_path, "r");
  if (source == NULL) fail(program_path, "cannot be read");
  char** const arguments = argv + optind - 1; /* the element before the first ARG becomes $0 */
  arguments[0] = (char*)program_path;
  dtrace_prog_t* const program = lib.dtrace_program_fcompile(handle, source, 0, argc - optind + 1, arguments);
  fclose(source);
  if (program == NULL) fail_dtrace(handle, "compile");
  step("compile", &wall, &cpu);

  if (lib.dtrace_handle_drop(handle, on_drop, NULL) != 0) fail_dtrace(handle, "dtrace_handle_drop");
  if (lib.dtrace_handle_err(handle, on_error, NULL) != 0) fail_dtrace(handle, "dtrace_handle_err");
  dtrace_proginfo_t info;
  if (lib.dtrace_program_exec(handle, program, &info) != 0) fail_dtrace(handle, "enable");
  step("enable", &wall, &cpu);

  if (lib.dtrace_go(handle, 0) != 0) fail_dtrace(handle, "dtrace_go");
  step("go", &wall, &cpu);

  dtrace_optval_t interval = 0;
  if (lib.dtrace_getopt(handle, "switchrate", &interval) != 0) fail_dtrace(handle, "switchrate");
  if ((int64_t)interval < 0) interval = 0; /* DTRACEOPT_UNSET */

  printf("{\"event\":\"ready\",\"steps\":{%s},\"milliseconds\":%.2f,\"matches\":%u,\"switchrateMicroseconds\":%.0f}\n",
         steps, (double)(wall - started) / 1e6, info.dpi_matches, (double)interval / 1e3);
  fflush(stdout);

  pthread_t reader;
  if (pthread_create(&reader, NULL, read_commands, NULL) != 0) fail("command thread", "cannot start");
  consume(handle, (uint64_t)interval);

  lib.dtrace_stop(handle);
  lib.dtrace_work(handle, NULL, on_probe, on_record, NULL);
  printf("{\"event\":\"stopped\",\"records\":%" PRIu64 ",\"drops\":%" PRIu64 "}\n", tally.records, tally.drops);
  fflush(stdout);
  lib.dtrace_close(handle);
  return 0;
}
