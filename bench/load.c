/*
 * The load generator of the benchmarks: makes system calls for a consumer to trace, at a known rate and of a known
 * number, and says on standard output, as one line of JSON, what it made.
 *
 *   load open    (--count N | --seconds S) [--rate R] --folder DIR [--files F] [--write] [--length L]
 *       openat(2) N times, going round F files in DIR (made first, 1000 of them by default: were it always the same
 *       one, a consumer could get away with keeping its name); with --write for writing; with --length, each path
 *       is L bytes long, else 10 to 34 bytes longer than DIR
 *   load missing (--count N | --seconds S) [--rate R] --folder DIR [--files F] [--length L]
 *       the same with a DIR that does not exist: openat(2) fails at once, which makes several times as many a second.
 *       What is traced at its entry is the same.
 *   load latency (--count N | --seconds S) [--rate R]
 *       lseek(-1, now, SEEK_SET): the argument is the time of the call
 *
 * With --seconds it goes on for so long, and N is what it says afterwards.
 *
 * The process is called `load`, which is what the benchmark programs' predicates look for. R is per second; 0, the
 * default, is as fast as one thread can. The schedule is absolute (call i is due at start + i/R), so a late wake-up is
 * made up for and the rate over the whole run is R. Waiting is by the millisecond: at 50,000 a second fifty calls are
 * made at each wake-up, because a sleep of 20 microseconds is not something that a timer gives.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define TICK_NS UINT64_C(1000000)
/* At full speed the clock is looked at once in so many calls. */
#define BURST 256

/*
 * The directory argument of each openat(2) that counts. The kernel ignores it, because the path is absolute; the
 * programs' predicates look for it, so that the dynamic loader's own opens are not taken for the generator's.
 */
#define MARK (-7777)

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t when) {
  const struct timespec t = {.tv_sec = (time_t)(when / NS_PER_S), .tv_nsec = (long)(when % NS_PER_S)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
  }
}

static void usage(const char* why) {
  fprintf(stderr,
          "load: %s\nusage: load open|missing|latency (--count N | --seconds S) [--rate R] [--folder DIR] [--files F] "
          "[--length L] "
          "[--write]\n",
          why);
  exit(2);
}

static uint64_t number(const char* text, const char* option) {
  char* end = NULL;
  errno = 0;
  const unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || *text == '-') {
    fprintf(stderr, "load: --%s needs a whole number, not '%s'\n", option, text);
    exit(2);
  }
  return value;
}

static char** paths;
static uint64_t path_count;

static void out_of_memory(void) {
  fprintf(stderr, "load: out of memory\n");
  exit(1);
}

/* What a music collection has: most paths are the same in the first half. With a length, all of them have it. */
static char* make_path(const char* folder, uint64_t i, uint64_t length) {
  char* path = NULL;
  if (length == 0) {
    if (asprintf(&path, "%s/%04" PRIu64 " %.*s.flac", folder, i, (int)(i % 24), "A Song of Some Length or Other") < 0)
      out_of_memory();
    return path;
  }
  const int begun = asprintf(&path, "%s/%04" PRIu64, folder, i);
  if (begun < 0) out_of_memory();
  if ((uint64_t)begun > length) usage("--length is less than the folder and five bytes");
  path = realloc(path, length + 1);
  if (path == NULL) out_of_memory();
  memset(path + begun, 'x', length - (uint64_t)begun);
  path[length] = '\0';
  return path;
}

static void make_paths(const char* folder, uint64_t count, uint64_t length) {
  paths = calloc(count, sizeof *paths);
  if (paths == NULL) out_of_memory();
  path_count = count;
  for (uint64_t i = 0; i < count; i++) paths[i] = make_path(folder, i, length);
}

static void make_files(void) {
  for (uint64_t i = 0; i < path_count; i++) {
    const int fd = open(paths[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
      fprintf(stderr, "load: cannot make %s: %s\n", paths[i], strerror(errno));
      exit(1);
    }
    close(fd);
  }
}

static void make_open(const char* path, int flags) {
  const int fd = openat(MARK, path, flags, 0644);
  if (fd < 0) {
    fprintf(stderr, "load: cannot open %s: %s\n", path, strerror(errno));
    exit(1);
  }
  close(fd);
}

/* The path's first part is looked for in vain, and that was the call. */
static void make_attempt(const char* path) {
  if (openat(MARK, path, O_RDONLY) >= 0 || errno != ENOENT) {
    fprintf(stderr, "load: %s was to be missing: %s\n", path, strerror(errno));
    exit(1);
  }
}

/* The call fails with EBADF, and does nothing else: all that matters is its 64-bit argument. */
static void make_stamp(void) { syscall(SYS_lseek, -1, (off_t)now_ns(), SEEK_SET); }

int main(int argc, char** argv) {
  static const struct option options[] = {
      {"count", required_argument, NULL, 'c'}, {"seconds", required_argument, NULL, 's'},
      {"rate", required_argument, NULL, 'r'},  {"folder", required_argument, NULL, 'f'},
      {"files", required_argument, NULL, 'n'}, {"length", required_argument, NULL, 'l'},
      {"write", no_argument, NULL, 'w'},       {NULL, 0, NULL, 0}};
  if (argc < 2) usage("say what to make");
  const bool latency = strcmp(argv[1], "latency") == 0;
  const bool missing = strcmp(argv[1], "missing") == 0;
  if (!latency && !missing && strcmp(argv[1], "open") != 0)
    usage("the first argument is 'open', 'missing' or 'latency'");

  uint64_t count = 0;
  uint64_t seconds = 0;
  uint64_t rate = 0;
  uint64_t files = 1000;
  uint64_t length = 0;
  const char* folder = NULL;
  int flags = O_RDONLY;
  optind = 2;
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (c) {
      case 'c':
        count = number(optarg, "count");
        break;
      case 's':
        seconds = number(optarg, "seconds");
        break;
      case 'r':
        rate = number(optarg, "rate");
        break;
      case 'f':
        folder = optarg;
        break;
      case 'n':
        files = number(optarg, "files");
        break;
      case 'l':
        length = number(optarg, "length");
        break;
      case 'w':
        flags = O_WRONLY;
        break;
      default:
        usage("unknown option");
    }
  }
  if ((count == 0) == (seconds == 0)) usage("give either --count or --seconds");
  if (!latency) {
    if (folder == NULL || *folder != '/' || files == 0) usage("it needs --folder, an absolute path, and files");
    make_paths(folder, files, length);
    if (!missing) make_files();
  }

  /* The default slack of 50 microseconds would be added to every wake-up. */
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);

  const uint64_t start = now_ns();
  const uint64_t end = seconds == 0 ? UINT64_MAX : start + seconds * NS_PER_S;
  if (seconds != 0) count = rate == 0 ? UINT64_MAX : seconds * rate;
  uint64_t made = 0;
  while (made < count && (rate != 0 || now_ns() < end)) {
    uint64_t due = count - made > BURST ? made + BURST : count;
    if (rate != 0) {
      const uint64_t elapsed = now_ns() - start;
      due = (uint64_t)((unsigned __int128)elapsed * rate / NS_PER_S) + 1;
      if (due > count) due = count;
    }
    for (; made < due; made++) {
      if (latency) {
        make_stamp();
      } else if (missing) {
        make_attempt(paths[made % path_count]);
      } else {
        make_open(paths[made % path_count], flags);
      }
    }
    if (rate != 0 && made < count) {
      const uint64_t next = start + (uint64_t)((unsigned __int128)made * NS_PER_S / rate);
      const uint64_t now = now_ns();
      sleep_until(next > now + TICK_NS ? next : now + TICK_NS);
    }
  }
  const uint64_t nanoseconds = now_ns() - start;

  printf("{\"made\":%" PRIu64 ",\"seconds\":%.6f,\"perSecond\":%.0f}\n", made, (double)nanoseconds / NS_PER_S,
         (double)made * NS_PER_S / (double)(nanoseconds ? nanoseconds : 1));
  return 0;
}
