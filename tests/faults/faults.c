/* faults.c: LD_PRELOAD library that lets a process meet a failing disk and a jumping clock, as another process says.
 *
 * FAULTS_CONTROL  a file of five 64-bit numbers, read at every call through a shared map:
 *                 0: errno to answer   1: in how many of 1000 calls   2: calls (1 write, 2 sync, 4 truncate)
 *                 3: nanoseconds that the wall clock is ahead (the monotonic clock stays)   4: faults answered so far
 * FAULTS_FOLDER   only files below it are touched, and of these only databases (".db" in the name)
 *
 * A write that fails has written half of its bytes first, as a full or dying disk may.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { ERROR, PER_MILLE, CALLS, AHEAD, COUNT, NUMBERS };
enum { WRITE = 1, SYNC = 2, TRUNCATE = 4 };

static volatile int64_t calm[NUMBERS];
static volatile int64_t *told = calm;
static const char *folder = "";
static uint64_t dice;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULTS_CONTROL"), *below = getenv("FAULTS_FOLDER");
  struct timespec now;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  dice = (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)getpid();
  if (!path) return;
  int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) abort();
  void *map = mmap(NULL, sizeof calm, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) abort();
  syscall(SYS_close, fd);
  told = map;
  if (below) folder = below;
}

static uint64_t thrown(void) { /* splitmix64 */
  uint64_t z = __atomic_add_fetch(&dice, 0x9e3779b97f4a7c15u, __ATOMIC_RELAXED);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static int is_database(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  const char *name = strrchr(path, '/');
  return name && strstr(name, ".db") && !strncmp(path, folder, strlen(folder));
}

static int fails(int fd, int call) {
  if (!(told[CALLS] & call) || (int64_t)(thrown() % 1000) >= told[PER_MILLE]) return 0;
  int before = errno, hit = is_database(fd);
  errno = before;
  if (!hit) return 0;
  __atomic_add_fetch(&told[COUNT], 1, __ATOMIC_RELAXED);
  errno = (int)told[ERROR];
  return 1;
}

ssize_t write(int fd, const void *data, size_t length) {
  if (fails(fd, WRITE)) {
    int error = errno;
    syscall(SYS_write, fd, data, length / 2);
    errno = error;
    return -1;
  }
  return syscall(SYS_write, fd, data, length);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  if (fails(fd, WRITE)) {
    int error = errno;
    syscall(SYS_pwrite64, fd, data, length / 2, offset);
    errno = error;
    return -1;
  }
  return syscall(SYS_pwrite64, fd, data, length, offset);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

int fsync(int fd) { return fails(fd, SYNC) ? -1 : syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return fails(fd, SYNC) ? -1 : syscall(SYS_fdatasync, fd); }
int ftruncate64(int fd, off64_t size) { return fails(fd, TRUNCATE) ? -1 : syscall(SYS_ftruncate, fd, size); }
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static void move(struct timespec *at) {
  int64_t ns = (int64_t)at->tv_sec * 1000000000 + at->tv_nsec + told[AHEAD];
  at->tv_sec = ns / 1000000000;
  at->tv_nsec = ns % 1000000000;
}

int clock_gettime(clockid_t which, struct timespec *at) {
  int result = syscall(SYS_clock_gettime, which, at);
  if (result == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) move(at);
  return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  (void)zone;
  struct timespec now;
  int result = clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return result;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
