/* census.c: counts what is below a directory. A data pipeline: every file is an entity, and
 * what is known about it are its components.
 *
 *   cc -std=c11 -O2 -I../.. census.c -o census                              && ./census DIR
 *   cc -std=c11 -O2 -I../.. -DCENSUS_OPENSSL census.c -o census -lcrypto    (SHA-256)
 *
 * A file's way, and the components that it has there:
 *
 *   found    Path, Size, Waiting                    find_files
 *   open     Path, Size, Reader, Slice, Hasher, Counts
 *                                                   open_files, then each tick one slice:
 *                                                   read_slices asks for all of them at once and
 *                                                   the phase waits; take_slices, hash_slices,
 *                                                   count_slices
 *   done     Path, Size, Counts, Digest, Origin     close_files
 *   failed   Path, Size, Failure                    (a directory: Path, Failure)
 *
 * When nothing waits and nothing is open, the last phase runs once: it sorts an index of all
 * digests, finds duplicates in it and adds up the totals.
 *
 * The totals equal those of the usual tools, which is how the program is tested: `find DIR
 * -type f | wc -l`, `wc -lwc` in the C locale and `sha256sum`. So symbolic links are not
 * followed, and a file that cannot be read is counted as a file and reported.
 *
 * Memory: OPEN_FILES_MAX slices of SLICE_BYTES, and for each file its path and components. */
#define _FILE_OFFSET_BITS 64
#define ECS_IMPLEMENTATION
#include "ecs.h"
#include "ecs_io_uring.h"

#ifdef _WIN32
#error "census.c walks the tree with POSIX calls; it has no Windows version"
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef CENSUS_OPENSSL
#include <openssl/evp.h>
#endif

/* ---- Limits ------------------------------------------------------------------------- */

#ifndef DIRECTORIES_MAX
#define DIRECTORIES_MAX 262144u /* that wait to be read; more are reported and left out */
#endif
#ifndef OPEN_FILES_MAX
#define OPEN_FILES_MAX 128u     /* at a time; well below the usual 256 to 1,024 of a process */
#endif
#define SLICE_BYTES 65536u      /* read from one file in one tick */
#define WALK_ENTRIES_MAX 2048u  /* directory entries read in one tick */
#define PIECE_BYTES 2048u       /* of a path, given to the kernel at once; below PATH_MAX */
#define EXTENSIONS_MAX 1024u    /* kinds of names that are told apart: a power of two */
#define EXTENSION_BYTES 16u     /* longer ones count as none */
#define EXTENSIONS_SHOWN 10u
#define DUPLICATES_SHOWN 5u
#define FAILURES_SHOWN 10u
#define DIGEST_BYTES 32u

/* ---- Components --------------------------------------------------------------------- */

/* A name that its entity owns: the hook frees it when the entity goes. Pointers are not
 * listed as members, so the world hash does not see addresses. */
typedef struct { char *text; uint64_t bytes; } Path;
ECS_COMPONENT(Path, bytes);

/* What the directory said; Counts says what was read. */
typedef struct { uint64_t bytes; } Size;
ECS_COMPONENT(Size, bytes);

ECS_TAG(Waiting);

typedef struct { uint64_t offset; int32_t file, error; } Reader;
ECS_COMPONENT(Reader, offset, file, error);

/* The part of the file that this tick works on. `data` belongs to the Slots resource; `got` is what
 * the request for it was answered. */
typedef struct { unsigned char *data; int64_t got; uint32_t slot, bytes, is_last; } Slice;
ECS_COMPONENT(Slice, got, slot, bytes, is_last);

/* A digest in the making. */
#ifdef CENSUS_OPENSSL
typedef struct { EVP_MD_CTX *context; uint32_t slot; } Hasher;
ECS_COMPONENT(Hasher, slot);
#else
typedef struct { uint64_t state; } Hasher;
ECS_COMPONENT(Hasher, state);
#endif

typedef struct { uint64_t lines, words, bytes; uint32_t in_word; } Counts;
ECS_COMPONENT(Counts, lines, words, bytes, in_word);

typedef struct { unsigned char bytes[DIGEST_BYTES]; } Digest;
ECS_COMPONENT(Digest, bytes);

/* The first file, by path, that has the same content: itself when there is no other. */
typedef struct { ecs_entity file; } Origin;
ECS_COMPONENT(Origin, file);

/* Why it was not read: an errno, or DIRECTORY_REFUSED. */
typedef struct { int32_t code; } Failure;
ECS_COMPONENT(Failure, code);
#define DIRECTORY_REFUSED (-1)

/* ---- Resources ---------------------------------------------------------------------- */

/* Where the walk through the tree stands: a stack of directories instead of recursion. */
typedef struct {
    DIR *open;             /* being read, or NULL */
    char *open_path;
    char **stack;          /* DIRECTORIES_MAX paths: still to be read */
    uint32_t depth;
    uint32_t is_finished;
    uint64_t directory_count;
    uint64_t vanished_count; /* seen by the walk, gone when they were to be opened */
} Walk;
ECS_RESOURCE(Walk, depth, is_finished, directory_count, vanished_count);

/* What an open file borrows. */
typedef struct {
    unsigned char *data; /* OPEN_FILES_MAX slices */
#ifdef CENSUS_OPENSSL
    EVP_MD_CTX *contexts[OPEN_FILES_MAX];
#endif
    uint32_t free_slots[OPEN_FILES_MAX];
    uint32_t free_count;
} Slots;
ECS_RESOURCE(Slots, free_count);

typedef struct {
    Digest digest;
    uint64_t bytes;
    const char *path; /* of the Path component: entities do not die any more by then */
    ecs_entity file;
} Entry;

/* All files that were read, sorted by content and then by path. */
typedef struct { Entry *entries; uint64_t count, capacity; } Index;
ECS_RESOURCE(Index, count);

typedef struct {
    char text[EXTENSION_BYTES];
    uint64_t file_count, line_count, byte_count;
} Extension;

typedef struct {
    uint64_t line_count, word_count, byte_count, file_count;
    uint64_t duplicate_count, duplicate_bytes;
    uint32_t extension_count, is_ready;
    Extension extensions[EXTENSIONS_MAX]; /* open addressing, text "" is free */
    Extension others;                     /* what found no place in it */
} Totals;
ECS_RESOURCE(Totals, line_count, word_count, byte_count, file_count, is_ready);

/* Which bytes make words, see count_slices. */
typedef struct { unsigned char is_space[256], is_word[256]; } Classes;
ECS_RESOURCE(Classes, is_space, is_word);

/* ---- Digests ------------------------------------------------------------------------ */

#ifdef CENSUS_OPENSSL
#define DIGEST_NAME "SHA-256"
#define DIGEST_KEY "sha256"
#define DIGEST_SHOWN 32u

static bool hasher_start(Hasher *hasher, Slots *slots, uint32_t slot)
{
    hasher->context = slots->contexts[slot];
    hasher->slot = slot;
    return EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL) == 1;
}

static bool hasher_add(Hasher *hasher, const unsigned char *data, uint32_t bytes)
{
    return EVP_DigestUpdate(hasher->context, data, bytes) == 1;
}

static bool hasher_finish(Hasher *hasher, Digest *digest)
{
    return EVP_DigestFinal_ex(hasher->context, digest->bytes, NULL) == 1;
}
#else
/* FNV-1a, 64 bits (Fowler, Noll, Vo). Good enough to find candidates for duplicates, and no
 * protection at all against somebody who makes two files collide. */
#define DIGEST_NAME "FNV-1a 64 (not cryptographic: built without OpenSSL)"
#define DIGEST_KEY "fnv1a64"
#define DIGEST_SHOWN 8u

static bool hasher_start(Hasher *hasher, Slots *slots, uint32_t slot)
{
    (void)slots;
    (void)slot;
    hasher->state = UINT64_C(0xcbf29ce484222325);
    return true;
}

static bool hasher_add(Hasher *hasher, const unsigned char *data, uint32_t bytes)
{
    uint64_t state = hasher->state;
    for (uint32_t i = 0; i < bytes; i++) state = (state ^ data[i]) * UINT64_C(0x100000001b3);
    hasher->state = state;
    return true;
}

static bool hasher_finish(Hasher *hasher, Digest *digest)
{
    memset(digest, 0, sizeof *digest);
    for (uint32_t i = 0; i < 8u; i++) {
        digest->bytes[i] = (unsigned char)(hasher->state >> (56u - 8u * i));
    }
    return true;
}
#endif

/* ---- Paths -------------------------------------------------------------------------- */

/* "directory/name", or NULL when there is no memory. */
static char *path_join(const char *directory, const char *name)
{
    size_t directory_bytes = strlen(directory), name_bytes = strlen(name);
    size_t slash_bytes = directory_bytes > 0 && directory[directory_bytes - 1] == '/' ? 0 : 1;
    char *path = (char *)malloc(directory_bytes + slash_bytes + name_bytes + 1);
    if (path == NULL) return NULL;
    memcpy(path, directory, directory_bytes);
    if (slash_bytes > 0) path[directory_bytes] = '/';
    memcpy(path + directory_bytes + slash_bytes, name, name_bytes + 1);
    return path;
}

/* open() for a path of any length: the kernel refuses PATH_MAX bytes and more, so a long one
 * is opened in pieces. Answers the file, or -1 with errno. */
static int path_open(const char *path, int flags)
{
    int at = AT_FDCWD, file, error;
    size_t left = strlen(path);
    while (left >= PIECE_BYTES) {
        char piece[PIECE_BYTES];
        size_t cut = PIECE_BYTES - 1u;
        while (cut > 0 && path[cut] != '/') cut--;
        memcpy(piece, path, cut);
        piece[cut] = '\0';
        file = openat(at, piece, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        error = errno;
        if (at != AT_FDCWD) (void)close(at);
        errno = error;
        if (file < 0) return -1;
        at = file;
        path += cut + 1u;
        left -= cut + 1u;
    }
    file = openat(at, path, flags | O_CLOEXEC | O_NONBLOCK);
    error = errno;
    if (at != AT_FDCWD) (void)close(at);
    errno = error;
    return file;
}

static DIR *directory_open(const char *path, int flags)
{
    int file = path_open(path, O_RDONLY | O_DIRECTORY | flags);
    DIR *directory = file < 0 ? NULL : fdopendir(file);
    if (directory == NULL && file >= 0) (void)close(file);
    return directory;
}

static void path_destroy(void *values, uint32_t count, void *user)
{
    Path *path = (Path *)values;
    (void)user;
    for (uint32_t i = 0; i < count; i++) free(path[i].text);
}

/* ---- PRE_UPDATE: find files --------------------------------------------------------- */

/* Reports what was not read. Takes the text over. */
static ecs_status failure_spawn(ecs_commands *cmd, char *text, int code)
{
    Path path = {text, strlen(text)};
    ecs_entity e = ecs_cmd_spawn_with(cmd, (Path, path), (Failure, {code}));
    if (!ecs_is_null(e)) return ECS_OK;
    free(text);
    return ECS_FULL;
}

/* The process has no file left. That is no failure of a path as long as files of our own
 * are open: they will be closed, so the next tick tries again. */
static bool should_wait(int error, const Slots *slots)
{
    return (error == EMFILE || error == ENFILE) && slots->free_count < OPEN_FILES_MAX;
}

/* Opens the next directory of the stack. False when none is left, or it has to wait. */
static bool walk_next(Walk *walk, const Slots *slots, ecs_commands *cmd, ecs_status *status)
{
    while (walk->open == NULL && walk->depth > 0 && *status == ECS_OK) {
        char *path = walk->stack[--walk->depth];
        walk->open = directory_open(path, O_NOFOLLOW);
        if (walk->open == NULL && should_wait(errno, slots)) {
            walk->depth++; /* the path is still there */
            return false;
        }
        if (walk->open == NULL) {
            *status = failure_spawn(cmd, path, errno);
        } else {
            walk->open_path = path;
            walk->directory_count++;
        }
    }
    return walk->open != NULL;
}

/* One name in the open directory becomes a file's entity, a directory on the stack, or
 * nothing: links, devices, sockets and what has vanished already. */
static ecs_status walk_entry(Walk *walk, ecs_commands *cmd, const char *name)
{
    struct stat info;
    memset(&info, 0, sizeof info); /* MemorySanitizer does not see what the kernel fills in */
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return ECS_OK;
    int answer = fstatat(dirfd(walk->open), name, &info, AT_SYMLINK_NOFOLLOW);
    int error = errno;
    if (answer != 0 && error == ENOENT) return ECS_OK;
    if (answer == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return ECS_OK;
    char *text = path_join(walk->open_path, name);
    if (text == NULL) return ECS_NO_MEMORY;
    if (answer != 0) return failure_spawn(cmd, text, error);
    if (S_ISDIR(info.st_mode)) {
        if (walk->depth == DIRECTORIES_MAX) return failure_spawn(cmd, text, DIRECTORY_REFUSED);
        walk->stack[walk->depth++] = text;
        return ECS_OK;
    }
    Path path = {text, strlen(text)};
    Size size = {(uint64_t)info.st_size};
    ecs_entity e = ecs_cmd_spawn_with(cmd, (Path, path), (Size, size), (Waiting));
    if (!ecs_is_null(e)) return ECS_OK;
    free(text);
    return ECS_FULL;
}

static void walk_leave(Walk *walk)
{
    (void)closedir(walk->open);
    free(walk->open_path);
    walk->open = NULL;
    walk->open_path = NULL;
}

ECS_SYSTEM(find_files, RES_WRITE(Walk), RES_READ(Slots))
{
    const Slots *slots = ecs_res_read(view, Slots);
    Walk *walk = ecs_res_write(view, Walk);
    ecs_status status = ECS_OK;
    for (uint32_t i = 0; i < WALK_ENTRIES_MAX && status == ECS_OK; i++) {
        if (!walk_next(walk, slots, view->cmd, &status)) {
            walk->is_finished = status == ECS_OK && walk->depth == 0;
            break;
        }
        errno = 0;
        struct dirent *entry = readdir(walk->open);
        if (entry != NULL) {
            status = walk_entry(walk, view->cmd, entry->d_name);
            continue;
        }
        if (errno != 0) {
            int error = errno;
            char *text = path_join(walk->open_path, "");
            status = text == NULL ? ECS_NO_MEMORY : failure_spawn(view->cmd, text, error);
        }
        walk_leave(walk);
    }
    return status;
}

static void walk_destroy(void *values, uint32_t count, void *user)
{
    Walk *walk = (Walk *)values;
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        if (walk[i].open != NULL) walk_leave(&walk[i]);
        for (uint32_t k = 0; k < walk[i].depth; k++) free(walk[i].stack[k]);
        free(walk[i].stack);
    }
}

/* ---- PRE_UPDATE: open; UPDATE: read ------------------------------------------------- */

/* The path may have become something else since the walk saw a file there. */
static int file_open(const char *path)
{
    struct stat info;
    memset(&info, 0, sizeof info);
    int file = path_open(path, O_RDONLY | O_NOFOLLOW);
    if (file < 0) return -1;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode)) return file;
    (void)close(file);
    errno = ENOENT;
    return -1;
}

/* Gives the file a slot, and the components that an open file has. */
static ecs_status file_begin(ecs_commands *cmd, ecs_entity e, int file, Slots *slots)
{
    uint32_t slot = slots->free_slots[slots->free_count - 1u];
    Slice slice = {slots->data + (size_t)slot * SLICE_BYTES, 0, slot, 0, 0};
    Reader reader = {0, file, 0};
    Hasher hasher;
    if (!hasher_start(&hasher, slots, slot)) return ECS_FAILED;
    slots->free_count--;
    ecs_status status = ecs_cmd_remove(cmd, e, Waiting);
    if (status == ECS_OK) status = ecs_cmd_set(cmd, e, Reader, reader);
    if (status == ECS_OK) status = ecs_cmd_set(cmd, e, Slice, slice);
    if (status == ECS_OK) status = ecs_cmd_set(cmd, e, Hasher, hasher);
    if (status == ECS_OK) status = ecs_cmd_set(cmd, e, Counts, {0, 0, 0, 0});
    return status;
}

/* Opens as many as there are free slots; the others wait for the next ticks. */
ECS_SYSTEM(open_files, READ(Path), WITH(Waiting), RES_WRITE(Slots), RES_WRITE(Walk))
{
    const Path *path = ecs_read(view, Path);
    Slots *slots = ecs_res_write(view, Slots);
    ecs_status status = ECS_OK;
    for (uint32_t i = 0; i < view->count && slots->free_count > 0 && status == ECS_OK; i++) {
        ecs_entity e = view->entities[i];
        int file = file_open(path[i].text);
        if (file >= 0) {
            status = file_begin(view->cmd, e, file, slots);
            if (status != ECS_OK) (void)close(file);
        } else if (errno == ENOENT || errno == ELOOP) { /* gone, or a link by now */
            ecs_res_write(view, Walk)->vanished_count++;
            status = ecs_cmd_despawn(view->cmd, e);
        } else if (should_wait(errno, slots)) {
            break;
        } else {
            int code = errno;
            status = ecs_cmd_remove(view->cmd, e, Waiting);
            if (status == ECS_OK) status = ecs_cmd_set(view->cmd, e, Failure, {code});
        }
    }
    return status;
}

/* Asks for one slice of each file. The phase waits for all of them. */
ECS_SYSTEM(read_slices, READ(Reader), READ(Slice))
{
    const Reader *reader = ecs_read(view, Reader);
    const Slice *slice = ecs_read(view, Slice);
    ecs_io_request request = {.op = ECS_IO_READ, .flags = ECS_IO_WHOLE | ECS_IO_JOIN,
                              .length = SLICE_BYTES, .type = ecs_type_of(Slice),
                              .member_offset = offsetof(Slice, got)};
    for (uint32_t i = 0; i < view->count; i++) {
        request.handle = reader[i].file;
        request.offset = reader[i].offset;
        request.buffer = slice[i].data;
        request.entity = view->entities[i];
        if (ecs_io_queue(view->cmd, &request).bits == 0) return ecs_cmd_status(view->cmd);
    }
    return ECS_OK;
}

/* ---- POST_UPDATE: hash, count, close -------------------------------------------------- */

/* A small file is done in one tick: what is as long as the directory said has come to its end. One
 * that has grown is read until nothing comes. */
ECS_SYSTEM(take_slices, READ(Size), WRITE(Reader), WRITE(Slice))
{
    const Size *size = ecs_read(view, Size);
    Reader *reader = ecs_write(view, Reader);
    Slice *slice = ecs_write(view, Slice);
    for (uint32_t i = 0; i < view->count; i++) {
        slice[i].bytes = slice[i].got > 0 ? (uint32_t)slice[i].got : 0;
        reader[i].offset += slice[i].bytes;
        reader[i].error = slice[i].got < 0 ? (int32_t)-slice[i].got : 0;
        slice[i].is_last = slice[i].got <= 0 || (slice[i].bytes < SLICE_BYTES &&
                                                 reader[i].offset == size[i].bytes);
    }
    return ECS_OK;
}

ECS_SYSTEM(hash_slices, READ(Slice), WRITE(Hasher))
{
    const Slice *slice = ecs_read(view, Slice);
    Hasher *hasher = ecs_write(view, Hasher);
    for (uint32_t i = 0; i < view->count; i++) {
        if (!hasher_add(&hasher[i], slice[i].data, slice[i].bytes)) return ECS_FAILED;
    }
    return ECS_OK;
}

/* A word begins with the first byte that makes one and ends with white space; bytes that are
 * neither (`wc` skips what cannot be printed) change nothing. Without branches, because text
 * is not predictable. Writes other columns than hash_slices: the two may run side by side. */
ECS_SYSTEM(count_slices, READ(Slice), WRITE(Counts), RES_READ(Classes))
{
    const Slice *slice = ecs_read(view, Slice);
    const Classes *classes = ecs_res_read(view, Classes);
    Counts *counts = ecs_write(view, Counts);
    for (uint32_t i = 0; i < view->count; i++) {
        const unsigned char *data = slice[i].data;
        uint32_t lines = 0, words = 0, in_word = counts[i].in_word;
        for (uint32_t k = 0; k < slice[i].bytes; k++) {
            uint32_t is_word = classes->is_word[data[k]];
            lines += data[k] == '\n';
            words += is_word & ~in_word;
            in_word = (in_word | is_word) & ~(uint32_t)classes->is_space[data[k]];
        }
        counts[i].lines += lines;
        counts[i].words += words;
        counts[i].bytes += slice[i].bytes;
        counts[i].in_word = in_word;
    }
    return ECS_OK;
}

static ecs_status file_end(ecs_commands *cmd, ecs_entity e, int error, Hasher *hasher)
{
    Digest digest;
    ecs_status status = ECS_OK;
    if (!hasher_finish(hasher, &digest)) return ECS_FAILED;
    if (error != 0) {
        status = ecs_cmd_set(cmd, e, Failure, {error});
        if (status == ECS_OK) status = ecs_cmd_remove(cmd, e, Counts);
    } else {
        status = ecs_cmd_set(cmd, e, Digest, digest);
        if (status == ECS_OK) status = ecs_cmd_set(cmd, e, Origin, {e});
    }
    if (status == ECS_OK) status = ecs_cmd_remove(cmd, e, Reader);
    if (status == ECS_OK) status = ecs_cmd_remove(cmd, e, Slice);
    if (status == ECS_OK) status = ecs_cmd_remove(cmd, e, Hasher);
    return status;
}

ECS_SYSTEM(close_files, READ(Reader), READ(Slice), WRITE(Hasher), RES_WRITE(Slots))
{
    const Reader *reader = ecs_read(view, Reader);
    const Slice *slice = ecs_read(view, Slice);
    Hasher *hasher = ecs_write(view, Hasher);
    Slots *slots = ecs_res_write(view, Slots);
    for (uint32_t i = 0; i < view->count; i++) {
        if (slice[i].is_last == 0) continue;
        (void)close(reader[i].file);
        slots->free_slots[slots->free_count++] = slice[i].slot;
        ecs_status status = file_end(view->cmd, view->entities[i], reader[i].error, &hasher[i]);
        if (status != ECS_OK) return status;
    }
    return ECS_OK;
}

static void slots_destroy(void *values, uint32_t count, void *user)
{
    Slots *slots = (Slots *)values;
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        free(slots[i].data);
#ifdef CENSUS_OPENSSL
        for (uint32_t k = 0; k < OPEN_FILES_MAX; k++) EVP_MD_CTX_free(slots[i].contexts[k]);
#endif
    }
}

/* ---- The last phase: index, duplicates, totals -------------------------------------- */

static bool all_is_read(const ecs_world *world, void *user)
{
    (void)user;
    return ecs_resource_get(world, Walk)->is_finished != 0 &&
           ecs_component_count(world, ecs_component_id(world, Waiting)) == 0 &&
           ecs_component_count(world, ecs_component_id(world, Reader)) == 0;
}

ECS_SYSTEM(index_files, READ(Path), READ(Digest), READ(Counts), RES_WRITE(Index))
{
    const Path *path = ecs_read(view, Path);
    const Digest *digest = ecs_read(view, Digest);
    const Counts *counts = ecs_read(view, Counts);
    Index *index = ecs_res_write(view, Index);
    if (index->capacity - index->count < view->count) {
        uint64_t capacity = index->capacity * 2u + view->count;
        Entry *grown = (Entry *)realloc(index->entries, (size_t)capacity * sizeof *grown);
        if (grown == NULL) return ECS_NO_MEMORY;
        index->entries = grown;
        index->capacity = capacity;
    }
    for (uint32_t i = 0; i < view->count; i++) {
        Entry *entry = &index->entries[index->count++];
        entry->digest = digest[i];
        entry->bytes = counts[i].bytes;
        entry->path = path[i].text;
        entry->file = view->entities[i];
    }
    return ECS_OK;
}

static int content_compare(const Entry *a, const Entry *b)
{
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return memcmp(&a->digest, &b->digest, sizeof a->digest);
}

static int entry_compare(const void *left, const void *right)
{
    const Entry *a = (const Entry *)left, *b = (const Entry *)right;
    int order = content_compare(a, b);
    return order != 0 ? order : strcmp(a->path, b->path);
}

ECS_SYSTEM(sort_index, RES_WRITE(Index))
{
    Index *index = ecs_res_write(view, Index);
    if (index->count > 1) {
        qsort(index->entries, (size_t)index->count, sizeof *index->entries, entry_compare);
    }
    return ECS_OK;
}

/* Each file looks itself up in the finished index: nothing is shared but what is read. */
ECS_SYSTEM(find_origins, READ(Digest), READ(Counts), WRITE(Origin), RES_READ(Index))
{
    const Digest *digest = ecs_read(view, Digest);
    const Counts *counts = ecs_read(view, Counts);
    const Index *index = ecs_res_read(view, Index);
    Origin *origin = ecs_write(view, Origin);
    for (uint32_t i = 0; i < view->count; i++) {
        Entry wanted = {digest[i], counts[i].bytes, NULL, ecs_null()};
        uint64_t from = 0, to = index->count;
        while (from < to) {
            uint64_t middle = from + (to - from) / 2u;
            if (content_compare(&index->entries[middle], &wanted) < 0) {
                from = middle + 1u;
            } else {
                to = middle;
            }
        }
        origin[i].file = index->entries[from].file;
    }
    return ECS_OK;
}

/* What stands behind the last dot of the name; "" for none, a hidden file or a long one. */
static const char *extension_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name || strlen(dot + 1) >= EXTENSION_BYTES) return "";
    return dot + 1;
}

/* The place of an extension, or of all others when the table is nearly full. */
static Extension *extension_find(Totals *totals, const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    if (text[0] == '\0') text = "(none)";
    for (const char *c = text; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    }
    for (uint32_t i = 0; i < EXTENSIONS_MAX; i++) {
        Extension *e = &totals->extensions[(hash + i) & (EXTENSIONS_MAX - 1u)];
        if (strcmp(e->text, text) == 0) return e;
        if (e->text[0] != '\0') continue;
        if (totals->extension_count == EXTENSIONS_MAX - 1u) break;
        totals->extension_count++;
        (void)snprintf(e->text, sizeof e->text, "%s", text);
        return e;
    }
    (void)snprintf(totals->others.text, sizeof totals->others.text, "(others)");
    return &totals->others;
}

ECS_SYSTEM(add_totals, READ(Path), READ(Counts), READ(Origin), RES_WRITE(Totals))
{
    const Path *path = ecs_read(view, Path);
    const Counts *counts = ecs_read(view, Counts);
    const Origin *origin = ecs_read(view, Origin);
    Totals *totals = ecs_res_write(view, Totals);
    for (uint32_t i = 0; i < view->count; i++) {
        Extension *extension = extension_find(totals, extension_of(path[i].text));
        extension->file_count++;
        extension->line_count += counts[i].lines;
        extension->byte_count += counts[i].bytes;
        totals->file_count++;
        totals->line_count += counts[i].lines;
        totals->word_count += counts[i].words;
        totals->byte_count += counts[i].bytes;
        if (counts[i].bytes > 0 && !ecs_equal(origin[i].file, view->entities[i])) {
            totals->duplicate_count++;
            totals->duplicate_bytes += counts[i].bytes;
        }
    }
    return ECS_OK;
}

ECS_SYSTEM(end_totals, RES_WRITE(Totals))
{
    ecs_res_write(view, Totals)->is_ready = 1;
    return ECS_OK;
}

static void index_destroy(void *values, uint32_t count, void *user)
{
    Index *index = (Index *)values;
    (void)user;
    for (uint32_t i = 0; i < count; i++) free(index[i].entries);
}

/* ---- Setting up --------------------------------------------------------------------- */

typedef struct {
    const char *directory;
    bool list;         /* digests, as sha256sum prints them */
    bool totals;       /* machine-readable */
    bool word_is_text; /* any byte but white space makes a word */
} Options;

static bool type_add(ecs_world *world, const ecs_type *type, const ecs_hooks *hooks)
{
    ecs_component id;
    if (ecs_component_register(world, type, &id) != ECS_OK) return false;
    return hooks == NULL || ecs_component_hooks(world, id, hooks) == ECS_OK;
}

static bool slots_make(ecs_world *world)
{
    Slots slots;
    bool good = true;
    memset(&slots, 0, sizeof slots);
    slots.data = (unsigned char *)malloc((size_t)OPEN_FILES_MAX * SLICE_BYTES);
    slots.free_count = OPEN_FILES_MAX;
    for (uint32_t i = 0; i < OPEN_FILES_MAX; i++) {
        slots.free_slots[i] = OPEN_FILES_MAX - 1u - i;
#ifdef CENSUS_OPENSSL
        slots.contexts[i] = EVP_MD_CTX_new();
        good = good && slots.contexts[i] != NULL;
#endif
    }
    if (good && slots.data != NULL && ecs_resource_set(world, Slots, slots) == ECS_OK) return true;
    slots_destroy(&slots, 1, NULL);
    return false;
}

/* Takes the open directory over. */
static bool walk_make(ecs_world *world, const char *directory, DIR *open)
{
    Walk walk;
    memset(&walk, 0, sizeof walk);
    walk.open = open;
    walk.directory_count = 1;
    walk.open_path = (char *)malloc(strlen(directory) + 1);
    walk.stack = (char **)malloc((size_t)DIRECTORIES_MAX * sizeof *walk.stack);
    if (walk.open_path != NULL && walk.stack != NULL) {
        memcpy(walk.open_path, directory, strlen(directory) + 1);
        if (ecs_resource_set(world, Walk, walk) == ECS_OK) return true;
    }
    walk_destroy(&walk, 1, NULL);
    return false;
}

/* In the C locale: white space is blank, \t \n \v \f \r; what can be printed is 33 to 126. */
static bool classes_make(ecs_world *world, bool word_is_text)
{
    Classes classes;
    for (uint32_t c = 0; c < 256u; c++) {
        bool space = c == ' ' || (c >= '\t' && c <= '\r');
        classes.is_space[c] = space;
        classes.is_word[c] = word_is_text ? !space : c > 32u && c < 127u;
    }
    return ecs_resource_set(world, Classes, classes) == ECS_OK;
}

static bool systems_add(ecs_world *world)
{
    static const ecs_phase_desc last = {.name = "report", .after = ECS_LAST};
    static const ecs_system *const final[] = {&index_files, &sort_index, &find_origins,
                                              &add_totals, &end_totals};
    bool good = ecs_system_add(world, &find_files, ECS_PRE_UPDATE) == ECS_OK &&
                ecs_system_add(world, &open_files, ECS_PRE_UPDATE) == ECS_OK &&
                ecs_system_add(world, &read_slices, ECS_UPDATE) == ECS_OK &&
                ecs_system_add(world, &take_slices, ECS_POST_UPDATE) == ECS_OK &&
                ecs_system_add(world, &hash_slices, ECS_POST_UPDATE) == ECS_OK &&
                ecs_system_add(world, &count_slices, ECS_POST_UPDATE) == ECS_OK &&
                ecs_system_add(world, &close_files, ECS_POST_UPDATE) == ECS_OK;
    ecs_phase report = ecs_phase_add(world, &last);
    for (size_t i = 0; i < sizeof final / sizeof final[0]; i++) {
        ecs_system_desc desc = {.system = final[i], .phase = report, .run_if = all_is_read};
        good = good && report != 0 && ecs_system_add_desc(world, &desc) == ECS_OK;
    }
    return good;
}

/* Types first, because hooks must be there before the first value. Takes `open` over. */
static ecs_world *census_create(const Options *options, DIR *open)
{
    static const ecs_hooks path_hooks = {.destroy = path_destroy};
    static const ecs_hooks walk_hooks = {.destroy = walk_destroy};
    static const ecs_hooks slots_hooks = {.destroy = slots_destroy};
    static const ecs_hooks index_hooks = {.destroy = index_destroy};
    ecs_world_desc desc = {.io = {.engine = ecs_io_uring()}};
    ecs_world *world = ecs_world_create(&desc);
    if (world != NULL && type_add(world, ecs_type_of(Path), &path_hooks) &&
        type_add(world, ecs_type_of(Walk), &walk_hooks) &&
        type_add(world, ecs_type_of(Slots), &slots_hooks) &&
        type_add(world, ecs_type_of(Index), &index_hooks) &&
        type_add(world, ecs_type_of(Waiting), NULL) &&
        type_add(world, ecs_type_of(Reader), NULL) &&
        classes_make(world, options->word_is_text) && slots_make(world) &&
        ecs_resource_mut(world, Index) != NULL && ecs_resource_mut(world, Totals) != NULL &&
        systems_add(world)) {
        if (walk_make(world, options->directory, open)) return world;
    } else {
        (void)closedir(open);
    }
    ecs_world_destroy(world);
    return NULL;
}

/* ---- Report ------------------------------------------------------------------------- */

ECS_QUERY(all_files, READ(Size));
ECS_QUERY(all_counts, READ(Counts));
ECS_QUERY(all_failures, READ(Path), READ(Failure), OPTIONAL(Size));

#define GROUPED_BYTES 32u

/* 1234567 as "1,234,567". */
static const char *grouped(uint64_t number, char text[GROUPED_BYTES])
{
    uint32_t at = GROUPED_BYTES - 1u;
    text[at] = '\0';
    for (uint32_t digit = 0; digit == 0 || number > 0; digit++) {
        if (digit > 0 && digit % 3u == 0) text[--at] = ',';
        text[--at] = (char)('0' + number % 10u);
        number /= 10u;
    }
    return text + at;
}

/* A name may hold anything, also what a terminal takes for a command. */
static void path_print(const char *path)
{
    for (const char *c = path; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte < 32u || byte == 127u) {
            printf("\\x%02x", byte);
        } else {
            putchar(byte);
        }
    }
}

static uint64_t files_found(ecs_world *world)
{
    return ecs_query_count(world, ecs_query_of(world, &all_files));
}

static int extension_compare(const void *left, const void *right)
{
    const Extension *a = (const Extension *)left, *b = (const Extension *)right;
    if (a->byte_count != b->byte_count) return a->byte_count > b->byte_count ? -1 : 1;
    return strcmp(a->text, b->text);
}

static void extensions_print(const Totals *totals)
{
    Extension all[EXTENSIONS_MAX + 1u];
    uint32_t count = 0;
    for (uint32_t i = 0; i < EXTENSIONS_MAX; i++) {
        if (totals->extensions[i].text[0] != '\0') all[count++] = totals->extensions[i];
    }
    if (totals->others.file_count > 0) all[count++] = totals->others;
    qsort(all, count, sizeof all[0], extension_compare);
    printf("\n  %-16s %12s %16s %18s\n", "extension", "files", "lines", "bytes");
    for (uint32_t i = 0; i < count && i < EXTENSIONS_SHOWN; i++) {
        char a[GROUPED_BYTES], b[GROUPED_BYTES], c[GROUPED_BYTES];
        printf("  ");
        path_print(all[i].text);
        printf("%*s %12s %16s %18s\n", (int)(EXTENSION_BYTES - strlen(all[i].text)), "",
               grouped(all[i].file_count, a), grouped(all[i].line_count, b),
               grouped(all[i].byte_count, c));
    }
    if (count > EXTENSIONS_SHOWN) printf("  and %u more\n", count - EXTENSIONS_SHOWN);
}

/* Files of one content: index entries first..first + count - 1. */
typedef struct { uint64_t first, count, wasted_bytes; } Group;

/* The index is sorted by content, so a group is a run of it. Keeps the most wasteful. */
static uint32_t groups_find(const Index *index, Group top[DUPLICATES_SHOWN])
{
    uint32_t kept = 0;
    for (uint64_t first = 0, next; first < index->count; first = next) {
        next = first + 1u;
        while (next < index->count &&
               content_compare(&index->entries[first], &index->entries[next]) == 0) {
            next++;
        }
        Group group = {first, next - first, (next - first - 1u) * index->entries[first].bytes};
        if (group.wasted_bytes == 0) continue;
        uint32_t at = kept < DUPLICATES_SHOWN ? kept++ : DUPLICATES_SHOWN;
        while (at > 0 && top[at - 1u].wasted_bytes < group.wasted_bytes) {
            if (at < DUPLICATES_SHOWN) top[at] = top[at - 1u];
            at--;
        }
        if (at < DUPLICATES_SHOWN) top[at] = group;
    }
    return kept;
}

static void duplicates_print(const Index *index, const Totals *totals)
{
    Group top[DUPLICATES_SHOWN];
    uint32_t count = groups_find(index, top);
    char a[GROUPED_BYTES], b[GROUPED_BYTES];
    printf("\n  duplicates       %s files that are not empty, %s bytes\n",
           grouped(totals->duplicate_count, a), grouped(totals->duplicate_bytes, b));
    for (uint32_t i = 0; i < count; i++) {
        const Entry *entry = &index->entries[top[i].first];
        printf("  %s x %s bytes  ", grouped(top[i].count, a), grouped(entry->bytes, b));
        path_print(entry[0].path);
        printf("  ");
        path_print(entry[1].path);
        printf(top[i].count > 2 ? "  ...\n" : "\n");
    }
}

static const char *failure_text(int32_t code)
{
    return code == DIRECTORY_REFUSED ? "too many directories wait; left out" : strerror(code);
}

/* How much is missing from the totals. */
typedef struct { uint64_t file_count, directory_count; } Missing;

static Missing failures_count(ecs_world *world)
{
    Missing missing = {0, 0};
    ECS_EACH(world, all_failures, view) {
        if (ecs_optional(view, Size) != NULL) {
            missing.file_count += view->count;
        } else {
            missing.directory_count += view->count;
        }
    }
    return missing;
}

/* To stderr when stdout carries a list or totals. */
static void failures_print(ecs_world *world, bool as_report)
{
    uint64_t shown = 0, more = 0;
    ECS_EACH_ROW(world, all_failures, view) {
        const char *path = ecs_read(view, Path)[view->row].text;
        const char *text = failure_text(ecs_read(view, Failure)[view->row].code);
        if (!as_report) {
            fprintf(stderr, "census: %s: %s\n", path, text);
        } else if (shown < FAILURES_SHOWN) {
            printf(shown == 0 ? "\n  not read\n  " : "  ");
            path_print(path);
            printf(": %s\n", text);
            shown++;
        } else {
            more++;
        }
    }
    if (more > 0) printf("  and %llu more\n", (unsigned long long)more);
}

static void report_print(ecs_world *world, const Options *options, double spent_s)
{
    const Totals *totals = ecs_resource_get(world, Totals);
    const Walk *walk = ecs_resource_get(world, Walk);
    Missing missing = failures_count(world);
    uint64_t found = files_found(world);
    char a[GROUPED_BYTES], b[GROUPED_BYTES];
    printf("census of ");
    path_print(options->directory);
    printf(": %s files in %s directories\n\n", grouped(found, a),
           grouped(walk->directory_count, b));
    printf("  lines  %22s\n", grouped(totals->line_count, a));
    printf("  words  %22s\n", grouped(totals->word_count, a));
    printf("  bytes  %22s\n", grouped(totals->byte_count, a));
    printf("  digest                 %s\n", DIGEST_NAME);
    if (totals->file_count > 0) extensions_print(totals);
    duplicates_print(ecs_resource_get(world, Index), totals);
    if (missing.file_count + missing.directory_count > 0) {
        printf("\n  errors           %s files and %s directories\n",
               grouped(missing.file_count, a), grouped(missing.directory_count, b));
        failures_print(world, true);
    }
    if (walk->vanished_count > 0) printf("\n  %s vanished\n", grouped(walk->vanished_count, a));
    ecs_io_stats io = ecs_io_stats_of(world);
    printf("\n  %s: %s reads\n", io.engine, grouped(io.delivered, a));
    printf("\n  %.2f s, %.0f files/s, %.1f MB/s\n", spent_s, (double)found / spent_s,
           (double)totals->byte_count / 1e6 / spent_s);
}

static void totals_print(ecs_world *world)
{
    const Totals *totals = ecs_resource_get(world, Totals);
    const Walk *walk = ecs_resource_get(world, Walk);
    Missing missing = failures_count(world);
    printf("files %llu\n", (unsigned long long)files_found(world));
    printf("directories %llu\n", (unsigned long long)walk->directory_count);
    printf("lines %llu\n", (unsigned long long)totals->line_count);
    printf("words %llu\n", (unsigned long long)totals->word_count);
    printf("bytes %llu\n", (unsigned long long)totals->byte_count);
    printf("duplicates %llu\n", (unsigned long long)totals->duplicate_count);
    printf("duplicate_bytes %llu\n", (unsigned long long)totals->duplicate_bytes);
    printf("unread_files %llu\n", (unsigned long long)missing.file_count);
    printf("unread_directories %llu\n", (unsigned long long)missing.directory_count);
    printf("vanished %llu\n", (unsigned long long)walk->vanished_count);
    printf("digest %s\n", DIGEST_KEY);
}

static int path_compare(const void *left, const void *right)
{
    return strcmp(((const Entry *)left)->path, ((const Entry *)right)->path);
}

/* As sha256sum prints it: a line whose name holds a line end or a backslash begins with a
 * backslash, and the name is escaped. Sorts the index another way; nothing else uses it by
 * then. */
static void list_print(ecs_world *world)
{
    Index *index = ecs_resource_mut(world, Index);
    if (index == NULL || index->count == 0) return;
    qsort(index->entries, (size_t)index->count, sizeof *index->entries, path_compare);
    for (uint64_t i = 0; i < index->count; i++) {
        const Entry *entry = &index->entries[i];
        if (strpbrk(entry->path, "\\\n\r") != NULL) putchar('\\');
        for (uint32_t k = 0; k < DIGEST_SHOWN; k++) printf("%02x", entry->digest.bytes[k]);
        printf("  ");
        for (const char *c = entry->path; *c != '\0'; c++) {
            if (*c == '\\' || *c == '\n' || *c == '\r') {
                putchar('\\');
                putchar(*c == '\\' ? '\\' : *c == '\n' ? 'n' : 'r');
            } else {
                putchar(*c);
            }
        }
        putchar('\n');
    }
}

/* ---- Running ------------------------------------------------------------------------ */

static double seconds_now(void)
{
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void progress_print(ecs_world *world, double spent_s)
{
    uint64_t files = 0, bytes = 0;
    char a[GROUPED_BYTES], b[GROUPED_BYTES];
    ECS_EACH_ROW(world, all_counts, view) {
        files++;
        bytes += ecs_read(view, Counts)[view->row].bytes;
    }
    printf("\r%s of %s files, %.1f MB, %.1f MB/s\033[K", grouped(files, a),
           grouped(files_found(world), b), (double)bytes / 1e6, (double)bytes / 1e6 / spent_s);
    fflush(stdout);
}

/* Ticks until the last phase has run. Answers the seconds that it took, or -1. */
static double census_run(ecs_world *world, const Options *options)
{
    bool live = !options->list && !options->totals && isatty(STDOUT_FILENO) != 0;
    double begin_s = seconds_now(), shown_at_s = begin_s, now_s = begin_s;
    while (ecs_resource_get(world, Totals)->is_ready == 0) {
        ecs_status status = ecs_tick(world, 0);
        if (status != ECS_OK) {
            const ecs_tick_report *report = ecs_tick_last(world);
            const char *name = report->failure_count > 0 ? report->failures[0].system : "tick";
            fprintf(stderr, "census: %s: %s\n", name, ecs_status_text(status));
            return -1;
        }
        now_s = seconds_now();
        if (live && now_s - shown_at_s > 0.1) {
            progress_print(world, now_s - begin_s);
            shown_at_s = now_s;
        }
    }
    if (live) printf("\r\033[K");
    return now_s - begin_s > 1e-6 ? now_s - begin_s : 1e-6;
}

static const char *const usage =
    "usage: census [options] [DIR]        (the current directory)\n"
    "  --list                 print `digest  path` of each file, sorted by path\n"
    "  --totals               print the totals for machines\n"
    "  --words printable      what begins a word, as wc of GNU coreutils up to 9.4 (default)\n"
    "  --words text           any byte but white space does: POSIX, later coreutils\n";

static bool options_parse(Options *options, int argc, char **argv)
{
    bool is_plain = false; /* after "--" */
    for (int i = 1; i < argc; i++) {
        if (is_plain || argv[i][0] != '-') {
            if (options->directory != NULL || argv[i][0] == '\0') return false;
            options->directory = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            is_plain = true;
        } else if (strcmp(argv[i], "--list") == 0) {
            options->list = true;
        } else if (strcmp(argv[i], "--totals") == 0) {
            options->totals = true;
        } else if (strcmp(argv[i], "--words") == 0 && i + 1 < argc) {
            options->word_is_text = strcmp(argv[++i], "text") == 0;
            if (!options->word_is_text && strcmp(argv[i], "printable") != 0) return false;
        } else {
            return false;
        }
    }
    if (options->directory == NULL) options->directory = ".";
    return !(options->list && options->totals);
}

int main(int argc, char **argv)
{
    Options options = {NULL, false, false, false};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (!options_parse(&options, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    DIR *open = directory_open(options.directory, 0);
    if (open == NULL) {
        fprintf(stderr, "census: %s: %s\n", options.directory, strerror(errno));
        return 1;
    }
    ecs_world *world = census_create(&options, open);
    if (world == NULL) {
        fputs("census: not enough memory\n", stderr);
        return 1;
    }
    double spent_s = census_run(world, &options);
    if (spent_s >= 0) {
        if (options.list) list_print(world);
        if (options.totals) totals_print(world);
        if (options.list || options.totals) failures_print(world, false);
        if (!options.list && !options.totals) report_print(world, &options, spent_s);
    }
    ecs_world_destroy(world);
    return spent_s >= 0 && fflush(stdout) == 0 ? 0 : 1;
}
