/* Expands the manifest src/ecs_dev.h into the single header ecs.h.
 *
 *     amalgamate src/ecs_dev.h > ecs.h
 *     amalgamate src/ecs_dev.h ecs.h        (written beside it, then renamed)
 *
 * Each quoted include is expanded where it stands first and dropped afterwards, just as the
 * include guards would have it. Angle includes stay. Nothing else is changed, except that the
 * manifest's own leading comment (it speaks of src/) goes and runs of blank lines become one.
 *
 * The output depends on the input bytes only: no date, no path, LF. Nothing is written unless
 * everything was read and found good, so that a failure never leaves half a header.
 *
 * "Once" is only right if the first place is compiled whenever a later one is. So the tool
 * remembers the conditions around each first place and refuses a later include that does not
 * stand below the same ones: the include guards would have expanded it, we would not.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_BYTES_MAX = 400,
    FILE_BYTES_MAX = 8 << 20,
    MODULE_COUNT_MAX = 64,
    NESTING_MAX = 16,
    CONDITION_COUNT_MAX = 32,
    NAME_BYTES_MAX = 64,
    PATH_BYTES_MAX = 1024,
    BANNER_COLUMNS = 80
};

typedef struct buffer {
    char *bytes;
    size_t count;
    size_t capacity;
} buffer;

typedef struct condition {
    char text[LINE_BYTES_MAX + 16];
    bool guard;
} condition;

typedef struct module {
    char name[NAME_BYTES_MAX];
    bool open;
    bool guarded;
    uint32_t condition_count;
    char conditions[CONDITION_COUNT_MAX][LINE_BYTES_MAX + 16];
} module;

typedef struct frame {
    char path[PATH_BYTES_MAX];
    buffer text;
    size_t at;
    uint32_t line;
    int module_index; /* -1: the manifest */
    uint32_t condition_base;
} frame;

typedef struct amalgam {
    char directory[PATH_BYTES_MAX];
    buffer output;
    frame frames[NESTING_MAX];
    uint32_t frame_count;
    module modules[MODULE_COUNT_MAX];
    int module_count;
    condition conditions[CONDITION_COUNT_MAX];
    uint32_t condition_count;
    bool in_comment;
    bool continued;
    bool blank_before;
    bool leading_comment;
} amalgam;

/* The one state of the tool; static because it is too large for a stack. */
static amalgam state;

static void die(const char *path, uint32_t line, const char *message, const char *detail)
{
    fprintf(stderr, "%s:%u: amalgamate: %s%s%s\n", path, (unsigned)line, message,
            detail[0] != 0 ? ": " : "", detail);
    exit(1);
}

static void append(buffer *b, const char *bytes, size_t count)
{
    if (b->count + count + 1 > b->capacity) {
        size_t capacity = (b->count + count + 1) * 2;
        char *grown = (char *)realloc(b->bytes, capacity);
        if (grown == NULL) die("amalgamate", 0, "out of memory", "");
        b->bytes = grown;
        b->capacity = capacity;
    }
    memcpy(b->bytes + b->count, bytes, count);
    b->count += count;
    b->bytes[b->count] = 0;
}

static void append_text(buffer *b, const char *text)
{
    append(b, text, strlen(text));
}

static bool read_file(const char *path, buffer *out)
{
    char chunk[4096];
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    append(out, "", 0);
    for (;;) {
        size_t count = fread(chunk, 1, sizeof chunk, file);
        if (count == 0) break;
        append(out, chunk, count);
        if (out->count > FILE_BYTES_MAX) die(path, 0, "file too large", "");
    }
    if (ferror(file)) die(path, 0, "cannot read", "");
    fclose(file);
    return true;
}

/* What would silently differ between machines, or break a line-based reader, stops us here. */
static void check_text(const char *path, const buffer *text)
{
    uint32_t line = 1;
    size_t start = 0;
    if (text->count == 0) die(path, 1, "empty file", "");
    for (size_t i = 0; i < text->count; i++) {
        char c = text->bytes[i];
        if (c == '\r') die(path, line, "carriage return: lines end in LF only", "");
        if (c == 0) die(path, line, "zero byte", "");
        if (c == '\n') {
            line++;
            start = i + 1;
        }
        if (i + 1 - start > LINE_BYTES_MAX) die(path, line, "line too long", "");
    }
    if (text->bytes[text->count - 1] != '\n') die(path, line, "no newline at the end", "");
}

static frame *top(amalgam *a)
{
    return &a->frames[a->frame_count - 1];
}

static void fail(amalgam *a, const char *message, const char *detail)
{
    die(top(a)->path, top(a)->line, message, detail);
}

static void push_file(amalgam *a, const char *name, int module_index)
{
    if (a->frame_count == NESTING_MAX) fail(a, "includes are nested too deep", name);
    frame *f = &a->frames[a->frame_count];
    memset(f, 0, sizeof *f);
    f->module_index = module_index;
    f->condition_base = a->condition_count;
    size_t directory_bytes = strlen(a->directory);
    size_t name_bytes = strlen(name);
    if (directory_bytes + name_bytes >= sizeof f->path) die(name, 0, "path too long", "");
    memcpy(f->path, a->directory, directory_bytes);
    memcpy(f->path + directory_bytes, name, name_bytes + 1);
    if (!read_file(f->path, &f->text)) {
        if (a->frame_count == 0) die(f->path, 0, "cannot open", "");
        fail(a, "included file is missing", f->path);
    }
    check_text(f->path, &f->text);
    a->frame_count++;
}

static void emit_banner(amalgam *a, const char *name)
{
    char line[256];
    char bare[NAME_BYTES_MAX];
    snprintf(bare, sizeof bare, "%s", name);
    char *dot = strrchr(bare, '.');
    if (dot != NULL) *dot = 0;
    int count = snprintf(line, sizeof line, "/* >>%s ", bare);
    int tail = (int)strlen(name) + (int)strlen(" src/ */");
    while (count < BANNER_COLUMNS - tail) line[count++] = '=';
    snprintf(line + count, sizeof line - (size_t)count, " src/%s */\n", name);
    if (!a->blank_before) append_text(&a->output, "\n");
    append_text(&a->output, line);
    append_text(&a->output, "\n");
    a->blank_before = true;
}

static int find_module(const amalgam *a, const char *name)
{
    for (int i = 0; i < a->module_count; i++) {
        if (strcmp(a->modules[i].name, name) == 0) return i;
    }
    return -1;
}

static void check_skipped(amalgam *a, const module *m)
{
    /* A module that is still open would skip itself by its guard, so we may as well. */
    if (m->open && !m->guarded) fail(a, "include in a circle, without a guard", m->name);
    for (uint32_t i = 0; i < m->condition_count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < a->condition_count; k++) {
            if (strcmp(a->conditions[k].text, m->conditions[i]) == 0) found = true;
        }
        if (!found) {
            fprintf(stderr, "amalgamate: %s was expanded below '%s'\n", m->name,
                    m->conditions[i]);
            fail(a, "included outside the condition of its first place", m->name);
        }
    }
}

static void include_module(amalgam *a, const char *name)
{
    int known = find_module(a, name);
    if (known >= 0) {
        check_skipped(a, &a->modules[known]);
        return;
    }
    if (strchr(name, '/') != NULL) fail(a, "modules lie side by side, not in folders", name);
    if (a->module_count == MODULE_COUNT_MAX) fail(a, "too many modules", name);
    int index = a->module_count;
    module *m = &a->modules[index];
    snprintf(m->name, sizeof m->name, "%s", name);
    m->open = true;
    for (uint32_t i = 0; i < a->condition_count; i++) {
        if (a->conditions[i].guard) continue;
        memcpy(m->conditions[m->condition_count++], a->conditions[i].text,
               sizeof a->conditions[i].text);
    }
    push_file(a, name, index);
    a->module_count++;
    emit_banner(a, name);
}

/* True if the line after the current one is "#define NAME": then #ifndef NAME is a guard. */
static bool next_line_defines(const frame *f, const char *name)
{
    const char *p = f->text.bytes + f->at;
    while (*p == ' ' || *p == '\n') p++;
    if (*p++ != '#') return false;
    while (*p == ' ') p++;
    if (strncmp(p, "define ", 7) != 0) return false;
    p += 7;
    while (*p == ' ') p++;
    size_t count = strcspn(p, " \n(");
    return count == strlen(name) && memcmp(p, name, count) == 0;
}

static void push_condition(amalgam *a, const char *text)
{
    if (a->condition_count == CONDITION_COUNT_MAX) fail(a, "#if nested too deep", "");
    condition *c = &a->conditions[a->condition_count++];
    snprintf(c->text, sizeof c->text, "%s", text);
    c->guard = false;
    if (strncmp(text, "ifndef ", 7) == 0) c->guard = next_line_defines(top(a), text + 7);
    if (c->guard && top(a)->module_index >= 0) a->modules[top(a)->module_index].guarded = true;
}

static void track_condition(amalgam *a, const char *text)
{
    bool branch = strncmp(text, "el", 2) == 0;
    if (strncmp(text, "if", 2) == 0) {
        push_condition(a, text);
    } else if (branch || strncmp(text, "endif", 5) == 0) {
        if (a->condition_count == top(a)->condition_base) fail(a, "#endif without #if", text);
        condition *c = &a->conditions[a->condition_count - 1];
        if (!branch) {
            a->condition_count--;
        } else {
            char whole[2 * LINE_BYTES_MAX];
            snprintf(whole, sizeof whole, "not %s: %s", c->text, text);
            memcpy(c->text, whole, sizeof c->text - 1);
            c->text[sizeof c->text - 1] = 0;
            c->guard = false;
        }
    }
}

/* Follows block comments through one line; strings and line comments hide their markers. */
static void track_comment(amalgam *a, const char *line, size_t count)
{
    char quote = 0;
    for (size_t i = 0; i < count; i++) {
        char c = line[i];
        char next = i + 1 < count ? line[i + 1] : (char)0;
        if (a->in_comment) {
            if (c == '*' && next == '/') {
                a->in_comment = false;
                i++;
            }
        } else if (quote != 0) {
            if (c == '\\') i++;
            if (c == quote) quote = 0;
        } else if (c == '/' && next == '/') {
            return;
        } else if (c == '/' && next == '*') {
            a->in_comment = true;
            i++;
        } else if (c == '"' || c == '\'') {
            quote = c;
        }
    }
}

/* Copies the directive without '#', with single spaces and without its comment. */
static void normalise(const char *line, size_t count, char *out, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; i < count && used + 1 < capacity; i++) {
        if (line[i] == '/' && i + 1 < count && (line[i + 1] == '*' || line[i + 1] == '/')) break;
        bool space = line[i] == ' ' || line[i] == '#';
        if (space && (used == 0 || out[used - 1] == ' ')) continue;
        out[used++] = space ? ' ' : line[i];
    }
    while (used > 0 && out[used - 1] == ' ') used--;
    out[used] = 0;
}

/* Returns true if the line was an include that has been dealt with. */
static bool take_directive(amalgam *a, const char *line, size_t count)
{
    char text[LINE_BYTES_MAX + 16];
    char name[NAME_BYTES_MAX];
    normalise(line, count, text, sizeof text);
    if (strncmp(text, "include", 7) != 0) {
        track_condition(a, text);
        return false;
    }
    const char *open = strchr(text, '"');
    if (open == NULL) return false;
    size_t bytes = strcspn(open + 1, "\"");
    if (open[1 + bytes] != '"') fail(a, "include without a closing quote", text);
    if (bytes == 0 || bytes >= sizeof name) fail(a, "include name too long or empty", text);
    memcpy(name, open + 1, bytes);
    name[bytes] = 0;
    include_module(a, name);
    return true;
}

static void take_line(amalgam *a)
{
    frame *f = top(a);
    const char *line = f->text.bytes + f->at;
    size_t count = strcspn(line, "\n");
    bool fresh = !a->in_comment && !a->continued;
    f->at += count + 1;
    f->line++;
    size_t indent = strspn(line, " ");
    if (a->leading_comment && fresh && indent < count && line[indent] != '/') {
        a->leading_comment = false;
    }
    track_comment(a, line, count);
    a->continued = count > 0 && line[count - 1] == '\\';
    if (fresh && indent < count && line[indent] == '#') {
        if (take_directive(a, line, count)) return;
    }
    if (a->leading_comment) return;
    if (count == 0 && a->blank_before) return;
    append(&a->output, line, count + 1);
    a->blank_before = count == 0;
}

static void pop_file(amalgam *a)
{
    frame *f = top(a);
    if (a->in_comment) fail(a, "comment is not closed", "");
    if (a->condition_count != f->condition_base) {
        fail(a, "#if is not closed", a->conditions[a->condition_count - 1].text);
    }
    if (f->module_index >= 0) a->modules[f->module_index].open = false;
    free(f->text.bytes);
    a->frame_count--;
}

static void emit_license(amalgam *a)
{
    char path[PATH_BYTES_MAX + 16];
    buffer text = {NULL, 0, 0};
    snprintf(path, sizeof path, "%s../LICENSE", a->directory);
    if (!read_file(path, &text)) die(path, 0, "the licence is missing", "");
    check_text(path, &text);
    if (strstr(text.bytes, "*/") != NULL) die(path, 0, "the licence would end its comment", "");
    append_text(&a->output, "\n/*\n");
    for (char *line = text.bytes; *line != 0;) {
        size_t count = strcspn(line, "\n");
        append_text(&a->output, count == 0 ? " *" : " * ");
        append(&a->output, line, count + 1);
        line += count + 1;
    }
    append_text(&a->output, " */\n");
    free(text.bytes);
}

static void write_output(const amalgam *a, const char *path)
{
    char temporary[PATH_BYTES_MAX];
    FILE *file = stdout;
    if (path != NULL) {
        int count = snprintf(temporary, sizeof temporary, "%s.tmp", path);
        if (count < 0 || (size_t)count >= sizeof temporary) die(path, 0, "path too long", "");
        file = fopen(temporary, "wb");
        if (file == NULL) die(temporary, 0, "cannot write", "");
    }
    bool good = fwrite(a->output.bytes, 1, a->output.count, file) == a->output.count;
    if (fflush(file) != 0) good = false;
    if (path == NULL) {
        if (!good) die("standard output", 0, "cannot write", "");
        return;
    }
    if (fclose(file) != 0) good = false;
    if (!good || rename(temporary, path) != 0) {
        remove(temporary);
        die(path, 0, "cannot write", "");
    }
}

int main(int argc, char **argv)
{
    amalgam *a = &state;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: amalgamate src/ecs_dev.h [ecs.h]\n");
        return 2;
    }
    const char *slash = strrchr(argv[1], '/');
    const char *name = slash == NULL ? argv[1] : slash + 1;
    size_t directory_bytes = (size_t)(name - argv[1]);
    if (directory_bytes >= sizeof a->directory) die(argv[1], 0, "path too long", "");
    memcpy(a->directory, argv[1], directory_bytes);
    append_text(&a->output,
                "/* ecs.h: an Entity Component System for C and C++ in one header.\n"
                " *\n"
                " * GENERATED from src/ by tools/amalgamate.c: do not edit it, edit src/, run\n"
                " * `make ecs.h`. Sections begin with a marker: search for >> and a module's\n"
                " * name, as in \">>api\".\n"
                " *\n"
                " * SPDX-License-Identifier: MIT OR Unlicense (both texts stand at the end).\n"
                " */\n\n");
    a->blank_before = true;
    a->leading_comment = true;
    push_file(a, name, -1);
    while (a->frame_count > 0) {
        if (top(a)->at < top(a)->text.count) {
            take_line(a);
        } else {
            pop_file(a);
        }
    }
    if (a->module_count == 0) die(argv[1], 1, "the manifest includes nothing", "");
    emit_license(a);
    write_output(a, argc == 3 ? argv[2] : NULL);
    free(a->output.bytes);
    return 0;
}
