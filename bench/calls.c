/*
 * Makes system calls that concern no watcher and times them, a kind after the other, in short blocks: what a tracer or
 * a watcher adds to them is the difference to the same blocks without it.
 *
 *   calls --folder DIR --cpu N [--blocks N] [--calls N] [--pause MICROSECONDS] KIND...
 *
 * KIND is one of those in `kinds` below, or `all`. DIR is an empty folder for the files that it takes. Each block makes
 * --calls calls and then sleeps, so that a watcher which takes its events out of a queue keeps up. Kinds take turns,
 * block by block.
 *
 * The time is the thread's own (CLOCK_THREAD_CPUTIME_ID), with the kernel's part and with whatever a probe or a mark
 * does in it; when another process had the processor it stands still. The process keeps to one processor.
 *
 * Prints one line of JSON: {"KIND":[nanoseconds per call, of each block], ...}
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define MOST_CALLS 4096
/* Of the files that are opened: with one alone, fanotify would make one event of several. */
#define FILES 512

static char paths[MOST_CALLS][512];
static char others[MOST_CALLS][512];
static char originals[MOST_CALLS][512];
static char names[MOST_CALLS][32];
static int descriptors[MOST_CALLS];
static int calls = 250;

static void fail(const char* what) {
  fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void check(int result, const char* what) {
  if (result < 0) fail(what);
}

static void make_file(const char* path) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  check(fd, path);
  check((int)write(fd, "content\n", 8), path);
  check(close(fd), path);
}

static void make_files(void) {
  for (int i = 0; i < calls; i++) make_file(paths[i % FILES]);
}

static void open_files(int flags) {
  for (int i = 0; i < calls; i++) check(descriptors[i] = openat(AT_FDCWD, paths[i % FILES], flags), "open");
}

static void close_files(void) {
  for (int i = 0; i < calls; i++) check(close(descriptors[i]), "close");
}

/* --- The kinds: what comes before, the calls themselves, and what comes after them. --- */

static void for_reading(void) { open_files(O_RDONLY | O_CLOEXEC); }
static void for_writing(void) { open_files(O_WRONLY | O_CLOEXEC); }

static void open_and_close(void) {
  for (int i = 0; i < calls; i++) {
    const int fd = openat(AT_FDCWD, paths[i % FILES], O_RDONLY | O_CLOEXEC);
    check(fd, "open");
    close(fd);
  }
}

static void read_files(void) {
  char byte;
  for (int i = 0; i < calls; i++) check((int)pread(descriptors[i], &byte, 1, 0), "read");
}

static void write_files(void) {
  for (int i = 0; i < calls; i++) check((int)pwrite(descriptors[i], "x", 1, 0), "write");
}

static void stat_files(void) {
  struct stat status;
  for (int i = 0; i < calls; i++) check(fstatat(AT_FDCWD, paths[i % FILES], &status, 0), "stat");
}

/* Others than those that are opened. */
static void make_others(void) {
  for (int i = 0; i < calls; i++) make_file(others[i]);
}
static void unlink_others(void) {
  for (int i = 0; i < calls; i++) check(unlink(others[i]), "unlink");
}
/* By the name alone, in the current directory: a watcher may know where that is without looking at a path. */
static void unlink_names(void) {
  for (int i = 0; i < calls; i++) check(unlink(names[i]), "unlink");
}

static void make_originals(void) {
  for (int i = 0; i < calls; i++) make_file(originals[i]);
}
static void rename_others(void) {
  for (int i = 0; i < calls; i++) check(rename(originals[i], others[i]), "rename");
}

static void make_directories(void) {
  for (int i = 0; i < calls; i++) check(mkdir(others[i], 0755), "mkdir");
}
static void remove_directories(void) {
  for (int i = 0; i < calls; i++) check(rmdir(others[i]), "rmdir");
}

static void nothing(void) {}

static const struct kind {
  const char* name;
  void (*before)(void);
  void (*timed)(void);
  void (*after)(void);
} kinds[] = {
    {"open to read, close", nothing, open_and_close, nothing},
    {"open to write", nothing, for_writing, close_files},
    {"close", for_reading, close_files, nothing},
    {"read", for_reading, read_files, close_files},
    {"write", for_writing, write_files, close_files},
    {"stat", nothing, stat_files, nothing},
    {"mkdir", nothing, make_directories, remove_directories},
    {"rename", make_originals, rename_others, unlink_others},
    {"unlink", make_others, unlink_others, nothing},
    {"unlink, plain name", make_others, unlink_names, nothing},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static uint64_t thread_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void usage(const char* why) {
  fprintf(stderr,
          "calls: %s\nusage: calls --folder DIR --cpu N [--blocks N] [--calls N] [--pause MICROSECONDS] KIND|all...\n",
          why);
  exit(2);
}

static int number(const char* text, int most) {
  char* end = NULL;
  const long value = strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < 0 || value > most) usage("a number is missing or too large");
  return (int)value;
}

static void keep_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  check(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

static void prepare(const char* folder) {
  if (strlen(folder) > 400) usage("--folder is too long");
  check(chdir(folder), folder);
  for (int i = 0; i < MOST_CALLS; i++) {
    snprintf(paths[i], sizeof paths[i], "%s/%04d A Song of Some Length or Other.flac", folder, i);
    snprintf(names[i], sizeof names[i], "other-%04d", i);
    snprintf(others[i], sizeof others[i], "%s/%s", folder, names[i]);
    snprintf(originals[i], sizeof originals[i], "%s/original-%04d", folder, i);
  }
  make_files();
}

int main(int argc, char** argv) {
  static const struct option options[] = {
      {"folder", required_argument, NULL, 'f'}, {"cpu", required_argument, NULL, 'c'},
      {"blocks", required_argument, NULL, 'b'}, {"calls", required_argument, NULL, 'n'},
      {"pause", required_argument, NULL, 'p'},  {NULL, 0, NULL, 0}};
  const char* folder = NULL;
  int blocks = 40;
  int pause_us = 5000;
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (c) {
      case 'f':
        folder = optarg;
        break;
      case 'c':
        keep_to(number(optarg, CPU_SETSIZE - 1));
        break;
      case 'b':
        blocks = number(optarg, 1000000);
        break;
      case 'n':
        calls = number(optarg, MOST_CALLS);
        break;
      case 'p':
        pause_us = number(optarg, 999999);
        break;
      default:
        usage("unknown option");
    }
  }
  if (folder == NULL || *folder != '/' || calls == 0 || blocks == 0) usage("--folder, an absolute path, is missing");
  const struct kind* chosen[KINDS];
  size_t count = 0;
  for (size_t k = 0; k < KINDS; k++) {
    for (int i = optind; i < argc; i++) {
      if (strcmp(argv[i], "all") != 0 && strcmp(argv[i], kinds[k].name) != 0) continue;
      chosen[count++] = &kinds[k];
      break;
    }
  }
  if (count == 0) usage("no such kind");
  prepare(folder);

  double* const times = calloc(count * (size_t)blocks, sizeof *times);
  if (times == NULL) fail("memory");
  const struct timespec pause = {.tv_nsec = (long)pause_us * 1000};
  for (int block = -1; block < blocks; block++) { /* the first only warms up */
    for (size_t k = 0; k < count; k++) {
      chosen[k]->before();
      const uint64_t begun = thread_ns();
      chosen[k]->timed();
      const uint64_t ended = thread_ns();
      chosen[k]->after();
      if (block >= 0) times[k * (size_t)blocks + (size_t)block] = (double)(ended - begun) / calls;
      if (pause_us != 0) nanosleep(&pause, NULL);
    }
  }

  for (size_t k = 0; k < count; k++) {
    printf("%s\"%s\":[", k == 0 ? "{" : ",", chosen[k]->name);
    for (int block = 0; block < blocks; block++)
      printf("%s%.1f", block == 0 ? "" : ",", times[k * (size_t)blocks + (size_t)block]);
    printf("]");
  }
  printf("}\n");
  return 0;
}
