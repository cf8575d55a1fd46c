/*
 * What is in a directory, with the details of every entry. Node asks for each of them on a thread of the pool, and is woken for each;
 * here one call answers for hundreds.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
  /* Names of all attributes of one file: the kernel's own limit. */
  ATTRIBUTES_BYTES = 64 * 1024,
  FIRST_NAMES_BYTES = 64 * 1024,
  NAME_ALIGNMENT = 8,
};

/* What an entry is; `listing.ts` has the same order. */
enum type { OTHER, REGULAR, DIRECTORY };

struct listing {
  DIR *directory;
  /* Each entry's type (a byte) and name, one behind the other. */
  char *entries;
  size_t length, capacity, count;
  /* The same in the order of the names' bytes, and how many have been read. */
  const char **ordered;
  size_t next;
};

/* What is said of one entry; its name follows, and NULs up to a multiple of eight bytes. `listing.ts` reads it. */
struct details {
  uint64_t dev, ino, mode, nlink, uid, gid, size, blocks;
  int64_t atime_ns, mtime_ns, ctime_ns;
  uint32_t name_length;
  /* Why it cannot be told of; 0: it can. */
  int32_t error;
  uint32_t type, has_attributes;
};

static int add_entry(struct listing *listing, const struct dirent *entry) {
  size_t length = strlen(entry->d_name) + 2;
  if (listing->length + length > listing->capacity) {
    size_t capacity = listing->capacity > 0 ? listing->capacity * 2 : FIRST_NAMES_BYTES;
    char *entries = realloc(listing->entries, capacity);
    if (entries == NULL) return -1;
    listing->entries = entries;
    listing->capacity = capacity;
  }
  listing->entries[listing->length] = entry->d_type == DT_REG ? REGULAR : entry->d_type == DT_DIR ? DIRECTORY : OTHER;
  memcpy(listing->entries + listing->length + 1, entry->d_name, length - 1);
  listing->length += length;
  listing->count++;
  return 0;
}

static int read_entries(struct listing *listing) {
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(listing->directory);
    if (entry == NULL) return errno == 0 ? 0 : -1;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (add_entry(listing, entry) < 0) return -1;
  }
}

static int by_name(const void *left, const void *right) {
  return strcmp(*(const char *const *)left + 1, *(const char *const *)right + 1);
}

static int order_entries(struct listing *listing) {
  listing->ordered = malloc((listing->count + 1) * sizeof *listing->ordered);
  if (listing->ordered == NULL) return -1;
  const char *entry = listing->entries;
  for (size_t index = 0; index < listing->count; index++) {
    listing->ordered[index] = entry;
    entry += strlen(entry + 1) + 2;
  }
  if (listing->count > 1) qsort(listing->ordered, listing->count, sizeof *listing->ordered, by_name);
  return 0;
}

/* Does the file have an attribute whose name begins with `prefix`? Only files and directories may have those of users. */
static int has_attributes(int directory, const char *name, const char *prefix) {
  char path[sizeof "/proc/self/fd/" + 10 + 1 + NAME_MAX + 1];
  if (snprintf(path, sizeof path, "/proc/self/fd/%d/%s", directory, name) >= (int)sizeof path) return 1;
  /* Most files have none; asking for no more than the length is the cheapest call. */
  if (llistxattr(path, NULL, 0) <= 0) return 0;
  char names[ATTRIBUTES_BYTES];
  ssize_t length = llistxattr(path, names, sizeof names);
  for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1)
    if (strncmp(names + at, prefix, strlen(prefix)) == 0) return 1;
  return 0;
}

static int64_t nanoseconds(struct statx_timestamp time) {
  return time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct details details_of(int directory, const char *entry, const char *prefix) {
  const char *name = entry + 1;
  struct details details = {.name_length = (uint32_t)strlen(name), .type = (uint32_t)entry[0]};
  struct statx stats;
  /* The C library's own function is younger than some images' C library. */
  if (syscall(SYS_statx, directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stats) < 0) {
    details.error = errno;
    return details;
  }
  details.dev = makedev(stats.stx_dev_major, stats.stx_dev_minor);
  details.ino = stats.stx_ino;
  details.mode = stats.stx_mode;
  details.nlink = stats.stx_nlink;
  details.uid = stats.stx_uid;
  details.gid = stats.stx_gid;
  details.size = stats.stx_size;
  details.blocks = stats.stx_blocks;
  details.atime_ns = nanoseconds(stats.stx_atime);
  details.mtime_ns = nanoseconds(stats.stx_mtime);
  details.ctime_ns = nanoseconds(stats.stx_ctime);
  mode_t kind = stats.stx_mode & S_IFMT;
  if (kind == S_IFREG || kind == S_IFDIR) details.has_attributes = (uint32_t)has_attributes(directory, name, prefix);
  return details;
}

int guestd_close_listing(struct listing *listing) {
  if (listing->directory != NULL) closedir(listing->directory);
  free(listing->entries);
  free(listing->ordered);
  free(listing);
  return 0;
}

/* The names in the directory at `path`, in order; for the two functions below. -1 is a failure that `errno` tells. */
int64_t guestd_open_listing(const char *path) {
  struct listing *listing = calloc(1, sizeof *listing);
  if (listing == NULL) return -1;
  listing->directory = opendir(path);
  if (listing->directory != NULL && read_entries(listing) == 0 && order_entries(listing) == 0) return (int64_t)(intptr_t)listing;
  int error = errno;
  guestd_close_listing(listing);
  errno = error;
  return -1;
}

/*
 * Writes details and names of the next entries to `into`, as many as there is room for; returns how many bytes that are, 0 when there
 * are no more entries. What `prefix` begins is counted as attributes.
 */
int64_t guestd_read_listing(struct listing *listing, const char *prefix, char *into, size_t size) {
  size_t used = 0;
  for (; listing->next < listing->count; listing->next++) {
    const char *entry = listing->ordered[listing->next];
    size_t name_length = strlen(entry + 1);
    size_t room = sizeof(struct details) + (name_length + NAME_ALIGNMENT - 1) / NAME_ALIGNMENT * NAME_ALIGNMENT;
    if (used + room > size) break;
    struct details details = details_of(dirfd(listing->directory), entry, prefix);
    memcpy(into + used, &details, sizeof details);
    memcpy(into + used + sizeof details, entry + 1, name_length);
    used += room;
  }
  return (int64_t)used;
}
