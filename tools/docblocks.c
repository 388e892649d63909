/* Takes the C blocks out of a Markdown page, so that each can be compiled.
 *
 *     docblocks DIRECTORY PAGE.md        writes one file per block, prints their names
 *
 *     ```c          a whole unit: the implementation and ecs.h are put in front, unless the
 *                   block includes ecs.h itself
 *     ```c body     statements: put into a function that has `ecs_world *world`; ecs.h, and
 *                   docs/prelude.h where it exists, stand in front
 *     anything else is not looked at
 *
 * Compilers report places in the page, because a #line stands before each block.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES_MAX = 2000, BLOCK_BYTES_MAX = 1 << 18, PATH_BYTES_MAX = 1024 };

typedef enum block_kind { BLOCK_NONE, BLOCK_UNIT, BLOCK_BODY, BLOCK_OTHER } block_kind;

typedef struct block {
    block_kind kind;
    uint32_t first_line;
    size_t count;
    char text[BLOCK_BYTES_MAX];
} block;

static block current;

static void stop(const char *path, uint32_t line, const char *message)
{
    fprintf(stderr, "%s:%u: docblocks: %s\n", path, (unsigned)line, message);
    exit(1);
}

static block_kind kind_of(const char *info)
{
    if (strcmp(info, "c") == 0 || strcmp(info, "C") == 0) return BLOCK_UNIT;
    if (strcmp(info, "c body") == 0) return BLOCK_BODY;
    return BLOCK_OTHER;
}

static bool file_exists(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    fclose(file);
    return true;
}

static void write_block(const char *directory, const char *page)
{
    char path[PATH_BYTES_MAX];
    int count = snprintf(path, sizeof path, "%s/line_%u.c", directory,
                         (unsigned)current.first_line);
    if (count < 0 || (size_t)count >= sizeof path) stop(page, 0, "path too long");
    FILE *file = fopen(path, "wb");
    if (file == NULL) stop(path, 0, "cannot write");
    bool includes = strstr(current.text, "\"ecs.h\"") != NULL;
    if (current.kind == BLOCK_UNIT && !includes) fputs("#define ECS_IMPLEMENTATION\n", file);
    if (!includes) fputs("#include \"ecs.h\"\n", file);
    if (current.kind == BLOCK_BODY) {
        if (file_exists("docs/prelude.h")) fputs("#include \"docs/prelude.h\"\n", file);
        fputs("void doc_body(ecs_world *world);\nvoid doc_body(ecs_world *world)\n{\n", file);
        fputs("    (void)world;\n", file);
    }
    fprintf(file, "#line %u \"%s\"\n", (unsigned)current.first_line, page);
    fwrite(current.text, 1, current.count, file);
    if (current.kind == BLOCK_BODY) fputs("}\n", file);
    if (ferror(file) || fclose(file) != 0) stop(path, 0, "cannot write");
    printf("%s\n", path);
}

static void take_line(const char *directory, const char *page, char *line, uint32_t number)
{
    size_t bytes = strlen(line);
    bool fence = strncmp(line, "```", 3) == 0;
    if (current.kind == BLOCK_NONE) {
        if (!fence) return;
        while (bytes > 0 && (line[bytes - 1] == '\n' || line[bytes - 1] == ' ')) line[--bytes] = 0;
        current.kind = kind_of(line + 3);
        current.first_line = number + 1;
        current.count = 0;
        current.text[0] = 0;
    } else if (fence) {
        if (current.kind != BLOCK_OTHER) write_block(directory, page);
        current.kind = BLOCK_NONE;
    } else {
        if (current.count + bytes + 1 > sizeof current.text) stop(page, number, "block too long");
        memcpy(current.text + current.count, line, bytes + 1);
        current.count += bytes;
    }
}

int main(int argc, char **argv)
{
    char line[LINE_BYTES_MAX];
    uint32_t number = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: docblocks DIRECTORY PAGE.md\n");
        return 2;
    }
    FILE *file = fopen(argv[2], "rb");
    if (file == NULL) stop(argv[2], 0, "cannot open");
    while (fgets(line, sizeof line, file) != NULL) {
        number++;
        if (strchr(line, '\n') == NULL && !feof(file)) stop(argv[2], number, "line too long");
        take_line(argv[1], argv[2], line, number);
    }
    fclose(file);
    if (current.kind != BLOCK_NONE) stop(argv[2], current.first_line, "block is not closed");
    return 0;
}
