/* Runs a fuzz target without libFuzzer: a fixed number of inputs from a seed, or given files.
 *
 *     target [--runs N] [--seed N] [--bytes N] [file ...]
 *
 * A target defines LLVMFuzzerTestOneInput, aborts on a wrong result, and needs nothing else;
 * `make fuzz` links the same target with clang's libFuzzer instead of this file. Each input is
 * put into <program>.input before it runs, so that a crash leaves the culprit behind.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t input[INPUT_BYTES_MAX];

static uint64_t random_u64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint8_t random_byte(uint64_t *state, uint32_t style)
{
    static const uint8_t edges[8] = {0, 1, 2, 127, 128, 254, 255, 64};
    uint64_t r = random_u64(state);
    if (style == 1) return (uint8_t)(r % 16u); /* small numbers reach more operations */
    if (style == 2) return edges[r % 8u];
    if (style == 3) return (uint8_t)((r & 1u) != 0 ? r >> 8 : r >> 60);
    return (uint8_t)(r >> 16);
}

/* Lengths spread over the powers of two: most are short, some are as long as allowed. */
static size_t make_input(uint64_t *state, size_t bytes_max)
{
    size_t limit = (size_t)1 << (random_u64(state) % 21u);
    if (limit > bytes_max) limit = bytes_max;
    size_t bytes = (size_t)(random_u64(state) % (limit + 1u));
    uint32_t style = (uint32_t)(random_u64(state) % 4u);
    for (size_t i = 0; i < bytes; i++) input[i] = random_byte(state, style);
    return bytes;
}

/* The target gets an exact copy on the heap: a read past its end is then a found one. */
static void run_target(size_t bytes)
{
    uint8_t *copy = (uint8_t *)malloc(bytes == 0 ? 1 : bytes);
    if (copy == NULL) {
        fprintf(stderr, "fuzz: out of memory\n");
        exit(1);
    }
    memcpy(copy, input, bytes);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

static void save_input(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) return;
    fwrite(input, 1, bytes, file);
    fclose(file);
}

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "fuzz: cannot open %s\n", path);
        return 1;
    }
    size_t bytes = fread(input, 1, sizeof input, file);
    fclose(file);
    run_target(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    char saved[1024];
    unsigned long long runs = 1000, seed = 1, bytes_max = 4096, file_count = 0;
    const char *slash = strrchr(argv[0], '/');
    const char *program = slash == NULL ? argv[0] : slash + 1;
    snprintf(saved, sizeof saved, "%s.input", argv[0]);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            runs = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--bytes") == 0 && i + 1 < argc) {
            bytes_max = strtoull(argv[++i], NULL, 0);
        } else {
            file_count++;
            if (run_file(argv[i]) != 0) return 1;
        }
    }
    if (bytes_max > INPUT_BYTES_MAX) bytes_max = INPUT_BYTES_MAX;
    if (file_count != 0) runs = 0;
    printf("%s: seed %llu, %llu runs; a crash leaves its input in %s\n", program, seed, runs,
           saved);
    fflush(stdout);
    uint64_t state = seed;
    for (unsigned long long run = 0; run < runs; run++) {
        size_t bytes = make_input(&state, (size_t)bytes_max);
        save_input(saved, bytes);
        run_target(bytes);
    }
    remove(saved);
    printf("%s: 1 passed, 0 failed, 0 skipped\n", program);
    return 0;
}
