"""A disk quota on a folder, for the processes of an sshd.

File systems with quotas cannot be had on every machine that tests run on, and root has none. The library is
loaded before the C library: once what its processes have written below the folder is as much as they may,
writing to files there and making folders fail as with a quota (``EDQUOT``); everything else is the kernel's.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
static const char *folder;
static volatile long *counts; /* what may be written, what was */
__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("RUNICORN_TEST_QUOTA");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    counts = mmap(0, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    folder = getenv("RUNICORN_TEST_QUOTA_FOLDER");
}
static int charge(const char *path, size_t size) {
    size_t length = folder ? strlen(folder) : 0;
    if (!length || strncmp(path, folder, length) || path[length] != '/') return 0;
    if (counts[1] + (long)size > counts[0]) { errno = EDQUOT; return -1; }
    __atomic_add_fetch(&counts[1], (long)size, __ATOMIC_SEQ_CST);
    return 0;
}
static int charge_file(int file, size_t size) {
    char link[64], path[PATH_MAX];
    struct stat found;
    int before = errno;
    if (!folder || fstat(file, &found) || !S_ISREG(found.st_mode)) { errno = before; return 0; }
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0) return 0;
    path[length] = 0;
    return charge(path, size);
}
static int charge_folder(int at, const char *name) {
    char link[64], path[2 * PATH_MAX];
    ssize_t length = 0;
    if (!folder) return 0;
    if (name[0] != '/') {
        snprintf(link, sizeof link, at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
        length = readlink(link, path, PATH_MAX);
        if (length < 0) return 0;
        path[length++] = '/';
    }
    snprintf(path + length, PATH_MAX, "%s", name);
    return access(path, F_OK) ? charge(path, 4096) : 0;
}
ssize_t write(int file, const void *data, size_t size) {
    return charge_file(file, size) ? -1 : REAL(write)(file, data, size);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    return charge_file(file, size) ? -1 : REAL(pwrite64)(file, data, size, at);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    return charge_file(file, size) ? -1 : REAL(writev)(file, parts, count);
}
ssize_t sendfile64(int out, int in, off64_t *at, size_t size) {
    struct stat found;
    size_t most = fstat(in, &found) || (size_t)found.st_size > size ? size : (size_t)found.st_size;
    return charge_file(out, most) ? -1 : REAL(sendfile64)(out, in, at, size);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    struct stat found;
    size_t most = fstat(in, &found) || (size_t)found.st_size > size ? size : (size_t)found.st_size;
    return charge_file(out, most) ? -1 : REAL(copy_file_range)(in, from, out, to, size, flags);
}
int mkdir(const char *name, mode_t mode) {
    return charge_folder(AT_FDCWD, name) ? -1 : REAL(mkdir)(name, mode);
}
int mkdirat(int at, const char *name, mode_t mode) {
    return charge_folder(at, name) ? -1 : REAL(mkdirat)(at, name, mode);
}
"""


class Quota:
    """How much the processes of an sshd may write below a folder; first as much as they like.

    Parameters
    ----------
    folder
        Where its files go, with the right to load programs from it.
    counted
        The folder with the quota.
    """

    def __init__(self, folder: Path, counted: Path) -> None:
        if shutil.which("cc") is None:
            pytest.skip("needs a C compiler: apt-get install gcc")
        source, library, self._counts = (folder / f"quota.{end}" for end in ("c", "so", "counts"))
        source.write_text(_SOURCE)
        options = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
        subprocess.run(["cc", *options, "-o", library, source, "-ldl"], check=True)
        self.allow(2**62)
        self.environment = [
            f"LD_PRELOAD={library}",
            f"RUNICORN_TEST_QUOTA={self._counts}",
            f"RUNICORN_TEST_QUOTA_FOLDER={counted}",
        ]
        """For sshd's ``SetEnv``."""

    def allow(self, size: int) -> None:
        """Let so many more bytes be written."""
        with self._counts.open("r+b" if self._counts.exists() else "w+b") as file:
            file.write(struct.pack("qq", size, 0))
