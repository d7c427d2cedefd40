/* recorder.c: LD_PRELOAD library that writes down what a process does to the files below one folder, in order:
 * writes, syncs, truncations, new names, renames, removals. A power cut is then played from this record (disk.py).
 *
 * RECORDER_FOLDER  the folder (absolute, no trailing slash);  RECORDER_LOG  the record, outside of it.
 *
 * One entry: kind (1 byte), length of the path (u16), offset or size (i64), length of the data (u32), path, data; little
 * endian, packed, the path relative to the folder. Kinds: C created, W written, T cut to size, S synced, N names of a folder
 * synced, U removed, R renamed (data: the new path), X something that this file cannot follow: the replay refuses it.
 *
 * One lock is held over the call and its entry, so the record's order is the order of the disk, for all threads: when a
 * sync is written down, exactly the writes above it were covered by it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#undef open
#undef open64
#define FILES 65536
#define LONGEST 4096

static char *paths[FILES]; /* by file descriptor; NULL for what is not ours */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int record_fd = -1;
static const char *folder;
static size_t folder_length;

__attribute__((constructor)) static void begin(void) {
  const char *log = getenv("RECORDER_LOG");
  folder = getenv("RECORDER_FOLDER");
  if (!log || !folder) { folder = NULL; return; }
  folder_length = strlen(folder);
  int low = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  /* high up, so that a program that counts its descriptors sees what it would see without us */
  record_fd = low < 0 ? -1 : (int)syscall(SYS_fcntl, low, F_DUPFD_CLOEXEC, 4000);
  if (record_fd < 0) abort();
  syscall(SYS_close, low);
}

/* The path below the folder, "." for the folder itself, NULL for any other. */
static const char *ours(const char *path) {
  if (!folder || !path || strncmp(path, folder, folder_length)) return NULL;
  if (path[folder_length] == 0) return ".";
  return path[folder_length] == '/' ? path + folder_length + 1 : NULL;
}

static int followed(int fd) { return fd >= 0 && fd < FILES && paths[fd]; }

static void note(char kind, const char *path, int64_t offset, const void *data, uint32_t length) {
  struct __attribute__((packed)) { char kind; uint16_t path; int64_t offset; uint32_t data; } head;
  head.kind = kind;
  head.path = strlen(path);
  head.offset = offset;
  head.data = length;
  struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, length}};
  ssize_t whole = sizeof head + head.path + length;
  if (syscall(SYS_writev, record_fd, parts, 3) != whole) abort(); /* half a record would be a lie */
}

static int opened(int at, const char *path, int flags, mode_t mode) {
  const char *name = at == AT_FDCWD || (path && path[0] == '/') ? ours(path) : NULL;
  if (!name) return syscall(SYS_openat, at, path, flags, mode);
  pthread_mutex_lock(&turn);
  struct stat status;
  int fresh = (flags & O_CREAT) && stat(path, &status) != 0;
  int fd = syscall(SYS_openat, at, path, flags, mode);
  if (fd >= 0 && fd < FILES) {
    free(paths[fd]);
    paths[fd] = strndup(name, LONGEST);
    if (fresh) note('C', name, 0, NULL, 0);
    else if (flags & O_TRUNC) note('T', name, 0, NULL, 0);
  }
  pthread_mutex_unlock(&turn);
  return fd;
}

#define WITH_MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { WITH_MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { WITH_MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { WITH_MODE(flags) return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { WITH_MODE(flags) return opened(at, path, flags, mode); }
int __open_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }

int close(int fd) {
  if (!followed(fd)) return syscall(SYS_close, fd);
  pthread_mutex_lock(&turn);
  free(paths[fd]);
  paths[fd] = NULL;
  int result = syscall(SYS_close, fd);
  pthread_mutex_unlock(&turn);
  return result;
}

ssize_t write(int fd, const void *data, size_t length) {
  if (!followed(fd)) return syscall(SYS_write, fd, data, length);
  pthread_mutex_lock(&turn);
  ssize_t written = syscall(SYS_write, fd, data, length);
  /* asked afterwards: only then is it right for a file that is always appended to */
  if (written > 0) note('W', paths[fd], syscall(SYS_lseek, fd, 0, SEEK_CUR) - written, data, written);
  pthread_mutex_unlock(&turn);
  return written;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  if (!followed(fd)) return syscall(SYS_pwrite64, fd, data, length, offset);
  pthread_mutex_lock(&turn);
  ssize_t written = syscall(SYS_pwrite64, fd, data, length, offset);
  if (written > 0) note('W', paths[fd], offset, data, written);
  pthread_mutex_unlock(&turn);
  return written;
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

static int synced(long call, int fd) {
  if (!followed(fd)) return syscall(call, fd);
  pthread_mutex_lock(&turn);
  struct stat status;
  int is_folder = fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
  int result = syscall(call, fd);
  if (result == 0) note(is_folder ? 'N' : 'S', paths[fd], 0, NULL, 0);
  pthread_mutex_unlock(&turn);
  return result;
}
int fsync(int fd) { return synced(SYS_fsync, fd); }
int fdatasync(int fd) { return synced(SYS_fdatasync, fd); }

int ftruncate64(int fd, off64_t size) {
  if (!followed(fd)) return syscall(SYS_ftruncate, fd, size);
  pthread_mutex_lock(&turn);
  int result = syscall(SYS_ftruncate, fd, size);
  if (result == 0) note('T', paths[fd], size, NULL, 0);
  pthread_mutex_unlock(&turn);
  return result;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int unlinkat(int at, const char *path, int flags) {
  const char *name = at == AT_FDCWD ? ours(path) : NULL;
  if (!name) return syscall(SYS_unlinkat, at, path, flags);
  pthread_mutex_lock(&turn);
  int result = syscall(SYS_unlinkat, at, path, flags);
  if (result == 0) note('U', name, 0, NULL, 0);
  pthread_mutex_unlock(&turn);
  return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int rename(const char *from, const char *to) {
  const char *old = ours(from), *new = ours(to);
  if (!old && !new) return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
  pthread_mutex_lock(&turn);
  int result = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
  if (result == 0) old && new ? note('R', old, 0, new, strlen(new)) : note('X', "rename across the edge", 0, NULL, 0);
  pthread_mutex_unlock(&turn);
  return result;
}

/* Ways around the calls above. Copying inside the kernel is refused, callers then copy by hand; the rest is noted. */
ssize_t sendfile64(int out, int in, off64_t *offset, size_t count) {
  if (!followed(out)) return syscall(SYS_sendfile, out, in, offset, count);
  errno = ENOTSOCK;
  return -1;
}
ssize_t sendfile(int out, int in, off_t *offset, size_t count) { return sendfile64(out, in, (off64_t *)offset, count); }

ssize_t copy_file_range(int in, off64_t *at_in, int out, off64_t *at_out, size_t count, unsigned flags) {
  if (!followed(out)) return syscall(SYS_copy_file_range, in, at_in, out, at_out, count, flags);
  errno = EXDEV;
  return -1;
}

static void cannot_follow(int fd, const char *what) {
  if (!followed(fd)) return;
  pthread_mutex_lock(&turn);
  note('X', what, 0, NULL, 0);
  pthread_mutex_unlock(&turn);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
  /* SQLite's -shm is memory that happens to have a name: it is rebuilt after a crash, and never synced */
  size_t size = followed(fd) ? strlen(paths[fd]) : 0;
  int index = size > 4 && !strcmp(paths[fd] + size - 4, "-shm");
  if ((protection & PROT_WRITE) && (flags & MAP_SHARED) && !index) cannot_follow(fd, "mmap");
  return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  return mmap64(address, length, protection, flags, fd, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  cannot_follow(fd, "writev");
  return syscall(SYS_writev, fd, parts, count);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  cannot_follow(fd, "fallocate");
  return syscall(SYS_fallocate, fd, mode, offset, length);
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return fallocate64(fd, 0, offset, length) ? errno : 0; }
int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }
