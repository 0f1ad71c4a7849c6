/* A disk that fails when it is told to: preloaded, it stands between a process and libc.
 *
 * fault_arm(calls, at, error, again): of the calls chosen (a sum of the bits below) on files under
 * the folder, number `at` fails with `error`, and every later one too if `again`.
 * fault_count(): how many there were since. Only files count, so that pipes and output go on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { SYNCS = 1, WRITES = 2, TRUNCATES = 4 };

static char folder[4096];
static int chosen, fails_at, fails_with, fails_again;
static atomic_int count;

void fault_arm(const char *under, int calls, int at, int error, int again) {
    snprintf(folder, sizeof folder, "%s", under);
    fails_at = at;
    fails_with = error;
    fails_again = again;
    atomic_store(&count, 0);
    chosen = calls;
}

int fault_count(void) { return atomic_load(&count); }

static int fails(int fd, int call) {
    if (!(chosen & call))
        return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int saved = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0)
        return 0;
    path[length] = 0;
    if (strncmp(path, folder, strlen(folder)) != 0)
        return 0;
    int number = atomic_fetch_add(&count, 1) + 1;
    if (number != fails_at && !(fails_again && number > fails_at))
        return 0;
    errno = fails_with;
    return 1;
}

#define REAL(type, name, ...)                                    \
    static type (*real)(__VA_ARGS__);                            \
    if (!real)                                                   \
        real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name);

int fsync(int fd) {
    REAL(int, fsync, int)
    return fails(fd, SYNCS) ? -1 : real(fd);
}

int fdatasync(int fd) {
    REAL(int, fdatasync, int)
    return fails(fd, SYNCS) ? -1 : real(fd);
}

/* A write that fails may have written a part: half of it, so that pages are torn. */
ssize_t write(int fd, const void *from, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t)
    if (!fails(fd, WRITES))
        return real(fd, from, size);
    int error = errno;
    real(fd, from, size / 2);
    errno = error;
    return -1;
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t at) {
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t)
    if (!fails(fd, WRITES))
        return real(fd, from, size, at);
    int error = errno;
    real(fd, from, size / 2, at);
    errno = error;
    return -1;
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)
    if (!fails(fd, WRITES))
        return real(fd, from, size, at);
    int error = errno;
    real(fd, from, size / 2, at);
    errno = error;
    return -1;
}

int ftruncate(int fd, off_t length) {
    REAL(int, ftruncate, int, off_t)
    return fails(fd, TRUNCATES) ? -1 : real(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    REAL(int, ftruncate64, int, off64_t)
    return fails(fd, TRUNCATES) ? -1 : real(fd, length);
}
