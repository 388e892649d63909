/* Checks the house rules that a machine can check. Each finding is "file:line: rule: message".
 *
 *     tidy [--stats] FILE ...          paths relative to the root of the repository
 *
 * The caller lists the files, so that this is plain C11 without directories. What is checked
 * follows from the path: src/ has the strictest rules, ecs.h is generated and has its own,
 * other C files follow the style, the rest (shell, make) is only looked at as text.
 *
 *     tab space newline cr columns word               every file
 *     length brace indent banned recursion            every C file
 *     density forward platform floor intro guard manifest     src/
 *     marker path date                                ecs.h
 *
 * This is no parser. Comments and literals are blanked first, then directives; what remains is
 * read by its braces, relying on one style: the brace that opens a function stands alone in
 * column 0, and so does the one that ends it. A function written otherwise is a finding, thus
 * nothing escapes the checks that build on it.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COLUMN_COUNT_MAX = 100,
    FUNCTION_LINE_COUNT_MAX = 70,
    INDENT_COLUMNS = 4,
    SMALL_BODY_LINE_COUNT = 3, /* a body this short needs no asserts */
    DENSITY_PERCENT_MIN = 200,
    FILE_BYTES_MAX = 8 << 20,
    NAME_BYTES_MAX = 80,
    FLOOR_LINE_COUNT = 40, /* the floor must be told near the top */
    FLOOR_UNKNOWN = -1000
};

typedef enum file_kind { KIND_C, KIND_MAKE, KIND_TEXT } file_kind;

typedef struct source {
    const char *path;
    char *text;  /* as read */
    char *code;  /* same length; comments and what is inside literals are spaces */
    char *plain; /* code without directives */
    size_t bytes;
    size_t *lines; /* where each line starts; one more at the end */
    uint32_t line_count;
    uint32_t group; /* call graph: all of src/ is one, other files stand alone */
    file_kind kind;
    bool in_src;
    bool is_api; /* the public modules: api.h and macros.h, its last section */
    bool is_manifest;
    bool is_generated;
} source;

typedef struct function {
    const source *file;
    char name[NAME_BYTES_MAX];
    size_t name_at;
    size_t open;
    size_t close;
    uint32_t node;
} function;

typedef struct prototype {
    const source *file;
    char name[NAME_BYTES_MAX];
    size_t at;
    bool is_static;
} prototype;

typedef struct edge {
    uint32_t from;
    uint32_t to;
} edge;

typedef struct tidy {
    source *files;
    uint32_t file_count;
    function *functions;
    uint32_t function_count, function_capacity;
    prototype *prototypes;
    uint32_t prototype_count, prototype_capacity;
    edge *edges;
    uint32_t edge_count, edge_capacity;
    function **nodes; /* one function of each name and group, sorted */
    uint32_t node_count;
    uint32_t finding_count;
    bool stats;
} tidy;

/* ---- small helpers ----------------------------------------------------------------------- */

static void stop(const char *message, const char *detail)
{
    fprintf(stderr, "tidy: %s: %s\n", message, detail);
    exit(2);
}

static void *grow(void *old, uint32_t count, uint32_t *capacity, size_t item_bytes)
{
    if (count < *capacity) return old;
    *capacity = *capacity == 0 ? 256 : *capacity * 2;
    void *grown = realloc(old, *capacity * item_bytes);
    if (grown == NULL) stop("out of memory", "");
    return grown;
}

static void report(tidy *t, const char *path, uint32_t line, const char *rule,
                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s:%u: %s: ", path, (unsigned)line, rule);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    t->finding_count++;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t text_bytes = strlen(text);
    size_t suffix_bytes = strlen(suffix);
    return text_bytes >= suffix_bytes && strcmp(text + text_bytes - suffix_bytes, suffix) == 0;
}

static bool word_is(const char *at, size_t bytes, const char *word)
{
    return strlen(word) == bytes && memcmp(at, word, bytes) == 0;
}

static bool word_in(const char *at, size_t bytes, const char *const *list)
{
    for (uint32_t i = 0; list[i] != NULL; i++) {
        if (word_is(at, bytes, list[i])) return true;
    }
    return false;
}

static uint32_t line_of(const source *s, size_t at)
{
    uint32_t low = 0;
    uint32_t high = s->line_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (s->lines[middle] <= at) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low + 1;
}

/* The bytes of a line without its newline. */
static size_t line_bytes(const source *s, uint32_t index)
{
    size_t bytes = s->lines[index + 1] - s->lines[index];
    if (bytes > 0 && s->text[s->lines[index] + bytes - 1] == '\n') bytes--;
    return bytes;
}

static size_t skip_blanks(const char *text, size_t at, size_t end)
{
    while (at < end && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n')) at++;
    return at;
}

static size_t word_end(const char *text, size_t at, size_t end)
{
    while (at < end && is_word(text[at])) at++;
    return at;
}

/* Moves to the next identifier; false at the end. Numbers such as 0x1fu are passed over. */
static bool next_word(const char *text, size_t *at, size_t end, size_t *bytes)
{
    size_t i = *at;
    while (i < end) {
        if (!is_word(text[i])) {
            i++;
            continue;
        }
        size_t after = word_end(text, i, end);
        if (!is_digit(text[i])) {
            *at = i;
            *bytes = after - i;
            return true;
        }
        i = after;
    }
    *at = end;
    return false;
}

/* ---- reading ----------------------------------------------------------------------------- */

static char *read_text(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) stop("cannot open", path);
    char *text = (char *)malloc(FILE_BYTES_MAX + 1);
    if (text == NULL) stop("out of memory", path);
    *bytes = fread(text, 1, FILE_BYTES_MAX + 1, file);
    if (ferror(file) || *bytes > FILE_BYTES_MAX) stop("cannot read, or too large", path);
    fclose(file);
    text[*bytes] = 0;
    char *fitted = (char *)realloc(text, *bytes + 1);
    return fitted == NULL ? text : fitted;
}

static void find_lines(source *s)
{
    uint32_t count = 0;
    for (size_t i = 0; i < s->bytes; i++) count += s->text[i] == '\n' ? 1u : 0u;
    s->lines = (size_t *)calloc((size_t)count + 2, sizeof *s->lines);
    if (s->lines == NULL) stop("out of memory", s->path);
    uint32_t line = 0;
    for (size_t i = 0; i < s->bytes; i++) {
        if (s->text[i] == '\n') s->lines[++line] = i + 1;
    }
    if (s->bytes > 0 && s->text[s->bytes - 1] != '\n') s->lines[++line] = s->bytes;
    s->line_count = line;
}

typedef enum scan_state { IN_CODE, IN_COMMENT, IN_LINE_COMMENT, IN_LITERAL } scan_state;

/* Blanks comments and the insides of literals; newlines and quotes stay where they are. */
static void blank_comments(char *code, size_t bytes)
{
    scan_state state = IN_CODE;
    char quote = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = code[i];
        char next = code[i + 1];
        if (c == '\n') {
            bool spliced = i > 0 && code[i - 1] == '\\';
            if (state == IN_LINE_COMMENT || (state == IN_LITERAL && !spliced)) state = IN_CODE;
        } else if (state == IN_CODE) {
            if (c == '/' && (next == '*' || next == '/')) {
                state = next == '*' ? IN_COMMENT : IN_LINE_COMMENT;
                code[i] = ' ';
                code[++i] = ' ';
            } else if (c == '"' || (c == '\'' && (i == 0 || !is_word(code[i - 1])))) {
                state = IN_LITERAL;
                quote = c;
            }
        } else if (state == IN_LITERAL && c == quote) {
            state = IN_CODE;
        } else if (state == IN_COMMENT && c == '*' && next == '/') {
            state = IN_CODE;
            code[i] = ' ';
            code[++i] = ' ';
        } else {
            bool escape = state == IN_LITERAL && c == '\\' && next != '\n';
            if (!(c == '\\' && next == '\n')) code[i] = ' '; /* a splice must stay one */
            if (escape && i + 1 < bytes) code[++i] = ' ';
        }
    }
}

static void blank_directives(source *s)
{
    bool spliced = false;
    bool directive = false;
    for (uint32_t line = 0; line < s->line_count; line++) {
        size_t start = s->lines[line];
        size_t end = start + line_bytes(s, line);
        size_t first = start;
        while (first < end && s->plain[first] == ' ') first++;
        if (!spliced) directive = first < end && s->plain[first] == '#';
        spliced = end > start && s->plain[end - 1] == '\\';
        if (directive) memset(s->plain + start, ' ', end - start);
    }
}

static file_kind kind_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (ends_with(path, ".c") || ends_with(path, ".h") || ends_with(path, ".cpp")) return KIND_C;
    if (strcmp(name, "Makefile") == 0 || ends_with(path, ".mk")) return KIND_MAKE;
    return KIND_TEXT;
}

static void load(source *s, const char *path, uint32_t index)
{
    s->path = path;
    s->text = read_text(path, &s->bytes);
    s->kind = kind_of(path);
    s->in_src = starts_with(path, "src/");
    s->is_api = strcmp(path, "src/api.h") == 0 || strcmp(path, "src/macros.h") == 0;
    s->is_manifest = strcmp(path, "src/ecs_dev.h") == 0;
    s->is_generated = strcmp(path, "ecs.h") == 0;
    s->group = s->in_src ? 0 : index + 1;
    find_lines(s);
    s->code = (char *)calloc(s->bytes + 2, 1);
    s->plain = (char *)calloc(s->bytes + 2, 1);
    if (s->code == NULL || s->plain == NULL) stop("out of memory", path);
    memcpy(s->code, s->text, s->bytes);
    if (s->kind == KIND_C) blank_comments(s->code, s->bytes);
    memcpy(s->plain, s->code, s->bytes);
    if (s->kind == KIND_C) blank_directives(s);
}

static const source *find_source(const tidy *t, const char *path)
{
    for (uint32_t i = 0; i < t->file_count; i++) {
        if (strcmp(t->files[i].path, path) == 0) return &t->files[i];
    }
    return NULL;
}

/* ---- rules on text ----------------------------------------------------------------------- */

static void check_line(tidy *t, const source *s, uint32_t index)
{
    const char *line = s->text + s->lines[index];
    size_t bytes = line_bytes(s, index);
    uint32_t columns = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (((unsigned char)line[i] & 0xc0u) != 0x80u) columns++; /* UTF-8: count characters */
    }
    if (memchr(line, '\r', bytes) != NULL) report(t, s->path, index + 1, "cr", "lines end in LF");
    if (bytes > 0 && (line[bytes - 1] == ' ' || line[bytes - 1] == '\t')) {
        report(t, s->path, index + 1, "space", "trailing space");
    }
    if (s->is_generated) return; /* the rest is found, with better lines, in src/ */
    if (s->kind != KIND_MAKE && memchr(line, '\t', bytes) != NULL) {
        report(t, s->path, index + 1, "tab", "indent with 4 spaces");
    }
    if (columns > COLUMN_COUNT_MAX) {
        report(t, s->path, index + 1, "columns", "%u columns, at most %d", (unsigned)columns,
               COLUMN_COUNT_MAX);
    }
}

static void check_words(tidy *t, const source *s)
{
    /* Spelled in two pieces, or this file would be its own finding. */
    static const char *const unfinished[] = {"TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK", NULL};
    size_t at = 0;
    size_t bytes = 0;
    while (next_word(s->text, &at, s->bytes, &bytes)) {
        if (word_in(s->text + at, bytes, unfinished)) {
            report(t, s->path, line_of(s, at), "word", "\"%.*s\": finish it, or open an issue",
                   (int)bytes, s->text + at);
        }
        at += bytes;
    }
}

static void check_text(tidy *t, const source *s)
{
    if (s->bytes == 0) return;
    for (uint32_t line = 0; line < s->line_count; line++) check_line(t, s, line);
    if (s->text[s->bytes - 1] != '\n') {
        report(t, s->path, s->line_count, "newline", "no newline at the end of the file");
    } else if (s->line_count > 1 && line_bytes(s, s->line_count - 1) == 0) {
        report(t, s->path, s->line_count, "newline", "blank line at the end of the file");
    }
    if (!s->is_generated) check_words(t, s);
}

/* ---- functions --------------------------------------------------------------------------- */

static bool is_shouted(const char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] >= 'a' && at[i] <= 'z') return false;
    }
    return true;
}

typedef struct head_name {
    size_t at;
    size_t bytes;
    bool shouted; /* a macro such as TEST(name) */
} head_name;

/* Finds what a declaration names: the last word before a parenthesis that is no attribute. */
static head_name find_head_name(const char *text, size_t at, size_t end)
{
    static const char *const not_names[] = {
        "__attribute__", "__declspec", "_Alignas", "alignas", "_Static_assert", "static_assert",
        "int", "void", "char", "bool", "float", "double", "long", "short", "unsigned", "signed",
        "if", "for", "while", "switch", "return", "sizeof", "operator", NULL};
    head_name found = {0, 0, false};
    uint32_t depth = 0;
    for (size_t i = at; i < end; i++) {
        char c = text[i];
        if (c == '(' || c == '{' || c == '[') depth++;
        if ((c == ')' || c == '}' || c == ']') && depth > 0) depth--;
        if (depth != 0 || !is_word(c)) continue;
        size_t after = word_end(text, i, end);
        size_t next = skip_blanks(text, after, end);
        if (next < end && text[next] == '(' && !word_in(text + i, after - i, not_names)) {
            bool pointer = text[skip_blanks(text, next + 1, end)] == '*';
            bool shouted = is_shouted(text + i, after - i);
            bool better = found.bytes == 0 || !shouted;
            if (!pointer && better) found = (head_name){i, after - i, shouted};
        }
        i = after - 1;
    }
    return found;
}

static void copy_name(char *out, const char *at, size_t bytes)
{
    if (bytes >= NAME_BYTES_MAX) bytes = NAME_BYTES_MAX - 1;
    memcpy(out, at, bytes);
    out[bytes] = 0;
}

static bool head_has(const char *text, size_t at, size_t end, const char *wanted)
{
    size_t bytes = 0;
    while (next_word(text, &at, end, &bytes)) {
        if (word_is(text + at, bytes, wanted)) return true;
        at += bytes;
    }
    return false;
}

static bool head_has_equals(const char *text, size_t at, size_t end)
{
    uint32_t depth = 0;
    for (size_t i = at; i < end; i++) {
        if (text[i] == '(' || text[i] == '{') depth++;
        if ((text[i] == ')' || text[i] == '}') && depth > 0) depth--;
        if (depth == 0 && text[i] == '=') return true;
    }
    return false;
}

/* Is the brace at `open` that of a function? Its head then ends in ")" or in an attribute. */
static bool head_is_function(const char *text, size_t at, size_t open, head_name *name)
{
    size_t last = open;
    while (last > at && (text[last - 1] == ' ' || text[last - 1] == '\n')) last--;
    if (last == at || head_has_equals(text, at, open)) return false;
    *name = find_head_name(text, at, open);
    if (name->bytes == 0) return false;
    size_t word = last;
    while (word > at && is_word(text[word - 1])) word--;
    if (text[last - 1] != ')' && (word == last || !is_shouted(text + word, last - word))) {
        return false;
    }
    size_t bytes = 0;
    size_t first = at;
    if (!next_word(text, &first, open, &bytes)) return false;
    static const char *const types[] = {"typedef", "struct", "union", "enum", "class", NULL};
    return !(name->shouted && word_in(text + first, bytes, types));
}

static void add_function(tidy *t, const source *s, head_name name, size_t open, size_t close)
{
    t->functions = (function *)grow(t->functions, t->function_count, &t->function_capacity,
                                    sizeof *t->functions);
    function *f = &t->functions[t->function_count++];
    memset(f, 0, sizeof *f);
    f->file = s;
    f->name_at = name.at;
    f->open = open;
    f->close = close;
    copy_name(f->name, s->plain + name.at, name.bytes);
    if (name.shouted) {
        size_t at = name.at + name.bytes;
        size_t bytes = 0;
        if (next_word(s->plain, &at, open, &bytes)) copy_name(f->name, s->plain + at, bytes);
    }
}

static void add_prototype(tidy *t, const source *s, size_t at, size_t end)
{
    if (head_has_equals(s->plain, at, end) || head_has(s->plain, at, end, "typedef")) return;
    head_name name = find_head_name(s->plain, at, end);
    if (name.bytes == 0 || name.shouted) return;
    t->prototypes = (prototype *)grow(t->prototypes, t->prototype_count, &t->prototype_capacity,
                                      sizeof *t->prototypes);
    prototype *p = &t->prototypes[t->prototype_count++];
    p->file = s;
    p->at = name.at;
    p->is_static = head_has(s->plain, at, end, "static");
    copy_name(p->name, s->plain + name.at, name.bytes);
}

/* The end of a block: its brace, or a brace in column 0 where #if branches do not balance. */
static size_t block_end(const char *text, size_t open, size_t end)
{
    uint32_t depth = 0;
    for (size_t i = open; i < end; i++) {
        if (text[i] == '{') depth++;
        if (text[i] != '}') continue;
        depth--;
        if (depth == 0 || text[i - 1] == '\n') return i;
    }
    return end - 1;
}

static bool opens_extern(const char *text, size_t at, size_t open)
{
    size_t last = open;
    while (last > at && (text[last - 1] == ' ' || text[last - 1] == '\n')) last--;
    return (last > at && text[last - 1] == '"') || head_has(text, at, open, "namespace");
}

static void find_functions(tidy *t, const source *s)
{
    size_t head = 0;
    for (size_t i = 0; i < s->bytes; i++) {
        char c = s->plain[i];
        if (c == ';') {
            add_prototype(t, s, head, i);
            head = i + 1;
        } else if (c == '}') {
            head = i + 1; /* of extern "C" */
        } else if (c == '{') {
            head_name name = {0, 0, false};
            if (opens_extern(s->plain, head, i)) {
                head = i + 1;
                continue;
            }
            bool is_function = head_is_function(s->plain, head, i, &name);
            size_t close = block_end(s->plain, i, s->bytes);
            if (is_function) {
                add_function(t, s, name, i, close);
                head = close + 1;
            }
            i = close;
        }
    }
}

static void check_function(tidy *t, const function *f)
{
    const source *s = f->file;
    uint32_t first = line_of(s, f->name_at);
    uint32_t last = line_of(s, f->close);
    bool open_alone = f->open > 0 && s->text[f->open - 1] == '\n' && s->text[f->open + 1] == '\n';
    bool close_alone = s->text[f->close - 1] == '\n';
    if (!open_alone || !close_alone) {
        report(t, s->path, first, "brace", "%s: a function's braces stand alone in column 0",
               f->name);
    }
    if (last - first + 1 > FUNCTION_LINE_COUNT_MAX) {
        report(t, s->path, first, "length", "%s has %u lines, at most %d", f->name,
               (unsigned)(last - first + 1), FUNCTION_LINE_COUNT_MAX);
    }
}

/* A line that begins a statement is indented by a multiple of four. Lines that continue one
 * are free, to be aligned with what they continue. */
static void check_indent(tidy *t, const function *f)
{
    const source *s = f->file;
    uint32_t parens = 0;
    char last = '{';
    for (uint32_t line = line_of(s, f->open); line + 1 < line_of(s, f->close); line++) {
        const char *text = s->plain + s->lines[line];
        size_t bytes = line_bytes(s, line);
        size_t indent = 0;
        while (indent < bytes && text[indent] == ' ') indent++;
        if (indent == bytes) continue;
        bool begins = parens == 0 && (last == '{' || last == ';' || last == '}');
        if (begins && indent % INDENT_COLUMNS != 0) {
            report(t, s->path, line + 1, "indent", "%u spaces: not a multiple of %d",
                   (unsigned)indent, INDENT_COLUMNS);
        }
        for (size_t i = indent; i < bytes; i++) {
            if (text[i] == '(') parens++;
            if (text[i] == ')' && parens > 0) parens--;
            if (text[i] != ' ') last = text[i];
        }
    }
}

/* ---- calls ------------------------------------------------------------------------------- */

/* True if the word is called by its own name, not as a member. */
static bool is_call(const char *text, size_t at, size_t bytes, size_t end)
{
    size_t next = skip_blanks(text, at + bytes, end);
    if (next >= end || text[next] != '(') return false;
    size_t before = at;
    while (before > 0 && text[before - 1] == ' ') before--;
    if (before > 0 && text[before - 1] == '.') return false;
    return !(before > 1 && text[before - 1] == '>' && text[before - 2] == '-');
}

static void check_banned(tidy *t, const source *s)
{
    static const char *const banned[] = {
        "strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "alloca", "rand", "srand",
        "time", "setjmp", "longjmp", "system", "atoi", "atol", "atof", NULL};
    static const char *const allocators[] = {
        "malloc", "calloc", "realloc", "free", "aligned_alloc", "posix_memalign", "strdup", NULL};
    bool memory = strcmp(s->path, "src/memory.h") == 0 || strcmp(s->path, "src/platform.h") == 0;
    size_t at = 0;
    size_t bytes = 0;
    while (next_word(s->code, &at, s->bytes, &bytes)) {
        const char *word = s->code + at;
        if (is_call(s->code, at, bytes, s->bytes)) {
            if (word_in(word, bytes, banned)) {
                report(t, s->path, line_of(s, at), "banned", "call of %.*s", (int)bytes, word);
            } else if (s->in_src && !memory && word_in(word, bytes, allocators)) {
                report(t, s->path, line_of(s, at), "banned", "%.*s outside memory.h", (int)bytes,
                       word);
            }
        }
        at += bytes;
    }
}

static int compare_functions(const void *left, const void *right)
{
    const function *a = *(function *const *)left;
    const function *b = *(function *const *)right;
    if (a->file->group != b->file->group) return a->file->group < b->file->group ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int compare_edges(const void *left, const void *right)
{
    const edge *a = (const edge *)left;
    const edge *b = (const edge *)right;
    if (a->from != b->from) return a->from < b->from ? -1 : 1;
    return a->to == b->to ? 0 : (a->to < b->to ? -1 : 1);
}

/* Two functions of one name (both branches of an #if) become one node. */
static void make_nodes(tidy *t)
{
    t->nodes = (function **)calloc((size_t)t->function_count + 1, sizeof *t->nodes);
    function **sorted = (function **)calloc((size_t)t->function_count + 1, sizeof *sorted);
    if (t->nodes == NULL || sorted == NULL) stop("out of memory", "call graph");
    for (uint32_t i = 0; i < t->function_count; i++) sorted[i] = &t->functions[i];
    qsort(sorted, t->function_count, sizeof *sorted, compare_functions);
    for (uint32_t i = 0; i < t->function_count; i++) {
        bool fresh = i == 0 || compare_functions(&sorted[i - 1], &sorted[i]) != 0;
        if (fresh) t->nodes[t->node_count++] = sorted[i];
        sorted[i]->node = t->node_count - 1;
    }
    free(sorted);
}

static void add_calls(tidy *t, const function *f)
{
    const source *s = f->file;
    function key;
    const function *key_pointer = &key;
    size_t at = f->open;
    size_t bytes = 0;
    key.file = s;
    while (next_word(s->plain, &at, f->close, &bytes)) {
        if (bytes < NAME_BYTES_MAX && is_call(s->plain, at, bytes, f->close)) {
            copy_name(key.name, s->plain + at, bytes);
            function **found = (function **)bsearch(&key_pointer, t->nodes, t->node_count,
                                                    sizeof *t->nodes, compare_functions);
            if (found != NULL) {
                t->edges = (edge *)grow(t->edges, t->edge_count, &t->edge_capacity,
                                        sizeof *t->edges);
                t->edges[t->edge_count++] = (edge){f->node, (uint32_t)(found - t->nodes)};
            }
        }
        at += bytes;
    }
}

/* The edges of a node lie together; the first one by binary search. */
static uint32_t first_edge(const tidy *t, uint32_t node)
{
    uint32_t low = 0;
    uint32_t high = t->edge_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->edges[middle].from < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void report_cycle(tidy *t, uint32_t root, uint32_t last, const uint32_t *parents,
                         bool *reported)
{
    char text[600];
    const function *f = t->nodes[root];
    snprintf(text, sizeof text, "%s", f->name);
    for (uint32_t node = last; node != root; node = parents[node]) {
        char longer[600];
        snprintf(longer, sizeof longer, "%.200s <- %.380s", t->nodes[node]->name, text);
        memcpy(text, longer, sizeof text);
        reported[node] = true;
    }
    reported[root] = true;
    report(t, f->file->path, line_of(f->file, f->name_at), "recursion", "%s <- %s", f->name, text);
}

/* Breadth first from one function: if it reaches itself, the path is a shortest circle. */
static void check_recursion(tidy *t, uint32_t root, uint32_t *queue, uint32_t *parents,
                            bool *reported)
{
    uint32_t head = 0;
    uint32_t tail = 0;
    for (uint32_t i = 0; i < t->node_count; i++) parents[i] = UINT32_MAX;
    queue[tail++] = root;
    while (head < tail) {
        uint32_t node = queue[head++];
        for (uint32_t e = first_edge(t, node); e < t->edge_count; e++) {
            if (t->edges[e].from != node) break;
            uint32_t to = t->edges[e].to;
            if (to == root) {
                report_cycle(t, root, node, parents, reported);
                return;
            }
            if (parents[to] != UINT32_MAX) continue;
            parents[to] = node;
            queue[tail++] = to;
        }
    }
}

static void check_calls(tidy *t)
{
    make_nodes(t);
    for (uint32_t i = 0; i < t->function_count; i++) add_calls(t, &t->functions[i]);
    if (t->edge_count > 0) qsort(t->edges, t->edge_count, sizeof *t->edges, compare_edges);
    uint32_t *queue = (uint32_t *)calloc((size_t)t->node_count + 1, sizeof *queue);
    uint32_t *parents = (uint32_t *)calloc((size_t)t->node_count + 1, sizeof *parents);
    bool *reported = (bool *)calloc((size_t)t->node_count + 1, sizeof *reported);
    if (queue == NULL || parents == NULL || reported == NULL) stop("out of memory", "calls");
    for (uint32_t i = 0; i < t->node_count; i++) {
        if (!reported[i]) check_recursion(t, i, queue, parents, reported);
    }
    free(queue);
    free(parents);
    free(reported);
}

/* ---- rules of src/ ----------------------------------------------------------------------- */

static uint32_t count_asserts(const function *f)
{
    static const char *const asserts[] = {"ECS_ASSERT", "ECSI_ASSERT", "ECSI_CHECK",
                                          "ECSI_CHECK_SLOW", "ECSI_REQUIRE", NULL};
    uint32_t count = 0;
    size_t at = f->open;
    size_t bytes = 0;
    while (next_word(f->file->plain, &at, f->close, &bytes)) {
        if (word_in(f->file->plain + at, bytes, asserts)) count++;
        at += bytes;
    }
    return count;
}

static bool needs_asserts(const function *f)
{
    const source *s = f->file;
    if (!s->in_src || s->is_api || s->is_manifest) return false;
    return line_of(s, f->close) - line_of(s, f->open) > SMALL_BODY_LINE_COUNT + 1;
}

typedef struct density {
    uint32_t functions;
    uint32_t asserts;
} density;

static density measure(const tidy *t, const source *only)
{
    density d = {0, 0};
    for (uint32_t i = 0; i < t->function_count; i++) {
        const function *f = &t->functions[i];
        if (!needs_asserts(f) || (only != NULL && f->file != only)) continue;
        d.functions++;
        d.asserts += count_asserts(f);
    }
    return d;
}

static void check_density(tidy *t)
{
    density all = measure(t, NULL);
    bool low = (uint64_t)all.asserts * 100u < (uint64_t)all.functions * DENSITY_PERCENT_MIN;
    double average = all.functions == 0 ? 0.0 : (double)all.asserts / (double)all.functions;
    for (uint32_t i = 0; i < t->file_count && (low || t->stats); i++) {
        density d = measure(t, &t->files[i]);
        if (d.functions == 0) continue;
        printf("  %-24s %4u functions  %4u asserts  %.2f\n", t->files[i].path,
               (unsigned)d.functions, (unsigned)d.asserts,
               (double)d.asserts / (double)d.functions);
    }
    if (low) {
        report(t, "src/", 0, "density", "%.2f asserts a function, at least %.2f", average,
               DENSITY_PERCENT_MIN / 100.0);
    }
    printf("tidy: %u files, %u functions; src/: %u functions of more than %d lines, "
           "%.2f asserts each\n", (unsigned)t->file_count, (unsigned)t->function_count,
           (unsigned)all.functions, SMALL_BODY_LINE_COUNT, average);
}

static bool is_defined_in(const tidy *t, const source *s, const char *name)
{
    for (uint32_t i = 0; i < t->function_count; i++) {
        const function *f = &t->functions[i];
        if (f->file == s && strcmp(f->name, name) == 0) return true;
    }
    return false;
}

/* api.h declares what the roof defines, that is its purpose; its static functions are inline. */
static void check_prototypes(tidy *t)
{
    for (uint32_t i = 0; i < t->prototype_count; i++) {
        const prototype *p = &t->prototypes[i];
        const source *s = p->file;
        bool ours = starts_with(p->name, "ecsi_") || starts_with(p->name, "ecs_");
        if (!s->in_src || !ours || (s->is_api && !p->is_static)) continue;
        if (is_defined_in(t, s, p->name)) continue;
        report(t, s->path, line_of(s, p->at), "forward",
               "%s is declared here and defined elsewhere or nowhere", p->name);
    }
}

static bool is_platform_macro(const char *at, size_t bytes)
{
    static const char *const prefixes[] = {
        "__linux", "_WIN", "__APPLE", "__MACH", "__GNUC", "__clang", "_MSC_VER", "__x86_64",
        "__amd64", "_M_", "__i386", "__aarch64", "__arm", "__riscv", "__powerpc", "__SSE",
        "__AVX", "__FMA", "__ARM", "__FreeBSD", "__NetBSD", "__OpenBSD", "__DragonFly",
        "__EMSCRIPTEN", "__wasm", "__MINGW", "__CYGWIN", "__unix", "__ANDROID", "__SANITIZE",
        "__has_feature", "__INTEL", "__BYTE_ORDER", "__GLIBC", "__ELF__", NULL};
    char name[NAME_BYTES_MAX];
    copy_name(name, at, bytes);
    for (uint32_t i = 0; prefixes[i] != NULL; i++) {
        if (starts_with(name, prefixes[i])) return true;
    }
    return false;
}

static bool line_has(const source *s, uint32_t index, const char *wanted)
{
    size_t bytes = line_bytes(s, index);
    size_t wanted_bytes = strlen(wanted);
    for (size_t i = 0; i + wanted_bytes <= bytes; i++) {
        if (memcmp(s->text + s->lines[index] + i, wanted, wanted_bytes) == 0) return true;
    }
    return false;
}

/* True if the line belongs to an #if, #ifdef, #ifndef or #elif; `spliced` from the line before. */
static bool is_condition(const source *s, uint32_t index, bool continues)
{
    size_t at = s->lines[index];
    size_t end = at + line_bytes(s, index);
    if (continues) return true;
    at = skip_blanks(s->code, at, end);
    if (at == end || s->code[at] != '#') return false;
    at = skip_blanks(s->code, at + 1, end);
    size_t bytes = word_end(s->code, at, end) - at;
    static const char *const conditions[] = {"if", "ifdef", "ifndef", "elif", NULL};
    return word_in(s->code + at, bytes, conditions);
}

static void check_platform(tidy *t, const source *s)
{
    bool allowed = strcmp(s->path, "src/platform.h") == 0 ||
                   strcmp(s->path, "src/atomic.h") == 0 ||
                   strcmp(s->path, "src/thread.h") == 0 ||
                   strcmp(s->path, "src/sys.h") == 0;
    bool open = false;
    bool condition = false;
    bool spliced = false;
    for (uint32_t line = 0; line < s->line_count; line++) {
        size_t at = s->lines[line];
        size_t end = at + line_bytes(s, line);
        if (s->is_api && line_has(s, line, "/* tidy: compiler begin */")) open = true;
        if (s->is_api && line_has(s, line, "/* tidy: compiler end */")) open = false;
        condition = is_condition(s, line, condition && spliced);
        spliced = end > at && s->code[end - 1] == '\\';
        size_t bytes = 0;
        while (condition && !allowed && !open && next_word(s->code, &at, end, &bytes)) {
            if (is_platform_macro(s->code + at, bytes)) {
                report(t, s->path, line + 1, "platform", "#if on %.*s outside src/platform.h",
                       (int)bytes, s->code + at);
            }
            at += bytes;
        }
    }
    if (open) report(t, s->path, s->line_count, "platform", "the compiler section has no end");
}

typedef struct floor_entry {
    const char *name;
    int floor;
} floor_entry;

static int floor_of(const source *s)
{
    static const floor_entry table[] = {
        {"api.h", -1}, {"macros.h", -1}, {"platform.h", 0}, {"base.h", 1}, {"memory.h", 2},
        {"trace.h", 2}, {"container.h", 3}, {"deque.h", 3}, {"waiter.h", 3}, {"entity.h", 4},
        {"component.h", 5}, {"storage.h", 6}, {"query.h", 7}, {"command.h", 8}, {"pool.h", 9},
        {"io.h", 10}, {"schedule.h", 11}, {"backend.h", 11}, {"snapshot.h", 12},
        {"world.h", 13}};
    for (uint32_t line = 0; line < s->line_count && line < FLOOR_LINE_COUNT; line++) {
        if (!line_has(s, line, "* floor: ")) continue;
        const char *colon = strstr(s->text + s->lines[line], "floor: ");
        char *after = NULL;
        long floor = strtol(colon + 7, &after, 10);
        if (after != colon + 7 && floor >= 0 && floor < 100) return (int)floor;
    }
    for (uint32_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(s->path + strlen("src/"), table[i].name) == 0) return table[i].floor;
    }
    return FLOOR_UNKNOWN;
}

/* The name in a quoted include of this line; false if there is none. */
static bool quoted_include(const source *s, uint32_t index, char *name)
{
    size_t at = s->lines[index];
    size_t end = at + line_bytes(s, index);
    at = skip_blanks(s->code, at, end);
    if (at == end || s->code[at] != '#') return false;
    at = skip_blanks(s->code, at + 1, end);
    size_t after = word_end(s->code, at, end);
    if (!word_is(s->code + at, after - at, "include")) return false;
    const char *open = (const char *)memchr(s->text + after, '"', end - after);
    if (open == NULL) return false;
    const char *close = strchr(open + 1, '"');
    if (close == NULL || close >= s->text + end) return false;
    copy_name(name, open + 1, (size_t)(close - open - 1));
    return true;
}

static void check_floors(tidy *t, const source *s)
{
    int floor = floor_of(s);
    if (floor == FLOOR_UNKNOWN) {
        report(t, s->path, 1, "floor", "no floor: write /* floor: N */ near the top");
        return;
    }
    for (uint32_t line = 0; line < s->line_count; line++) {
        char name[NAME_BYTES_MAX];
        char path[NAME_BYTES_MAX + 8];
        if (!quoted_include(s, line, name)) continue;
        snprintf(path, sizeof path, "src/%s", name);
        const source *other = find_source(t, path);
        if (other == NULL || other->is_manifest) {
            report(t, s->path, line + 1, "floor", "include of \"%s\", which is no module", name);
            continue;
        }
        int other_floor = floor_of(other);
        if (other_floor > floor) {
            report(t, s->path, line + 1, "floor", "floor %d includes %s of floor %d", floor,
                   name, other_floor);
        }
    }
}

static bool includes(const source *s, const source *other)
{
    char name[NAME_BYTES_MAX];
    for (uint32_t line = 0; line < s->line_count; line++) {
        if (!quoted_include(s, line, name)) continue;
        if (strcmp(name, other->path + strlen("src/")) == 0) return true;
    }
    return false;
}

/* Equal floors may include each other, but not in a circle. macros.h is the last section of
 * api.h, which includes it: that one step back is no circle. The closure is Warshall's. */
static void check_circles(tidy *t)
{
    uint32_t n = t->file_count;
    bool *reach = (bool *)calloc((size_t)n * n + 1, sizeof *reach);
    if (reach == NULL) stop("out of memory", "includes");
    for (uint32_t i = 0; i < n; i++) {
        const source *from = &t->files[i];
        if (!from->in_src || from->is_manifest) continue;
        for (uint32_t k = 0; k < n; k++) {
            const source *to = &t->files[k];
            if (!to->in_src || (from->is_api && strcmp(to->path, "src/api.h") == 0)) continue;
            reach[i * n + k] = includes(from, to);
        }
    }
    for (uint32_t via = 0; via < n; via++) {
        for (uint32_t i = 0; i < n; i++) {
            if (!reach[i * n + via]) continue;
            for (uint32_t k = 0; k < n; k++) reach[i * n + k] |= reach[via * n + k];
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!reach[i * n + i]) continue;
        report(t, t->files[i].path, 1, "floor", "this module includes itself through others");
    }
    free(reach);
}

/* The n-th directive of a file: its line index, or line_count. */
static uint32_t directive_line(const source *s, uint32_t number)
{
    for (uint32_t line = 0; line < s->line_count; line++) {
        size_t end = s->lines[line] + line_bytes(s, line);
        size_t at = skip_blanks(s->code, s->lines[line], end);
        if (at < end && s->code[at] == '#' && number-- == 0) return line;
    }
    return s->line_count;
}

static void check_guard(tidy *t, const source *s)
{
    uint32_t first = directive_line(s, 0);
    uint32_t second = directive_line(s, 1);
    bool good = second < s->line_count;
    if (good) {
        const char *ifndef = s->code + s->lines[first];
        const char *define = s->code + s->lines[second];
        good = starts_with(ifndef, "#ifndef ") && starts_with(define, "#define ");
        if (good) {
            size_t bytes = word_end(ifndef + 8, 0, NAME_BYTES_MAX);
            good = bytes > 0 && strncmp(ifndef + 8, define + 8, bytes) == 0;
            good = good && !is_word(define[8 + bytes]);
        }
    }
    if (!good) report(t, s->path, 1, "guard", "the first directives are no include guard");
    if (!starts_with(s->text, "/*")) report(t, s->path, 1, "intro", "no comment at the top");
}

static void check_manifest(tidy *t, const source *manifest)
{
    for (uint32_t i = 0; i < t->file_count; i++) {
        const source *s = &t->files[i];
        bool listed = false;
        if (!s->in_src || s->is_manifest) continue;
        for (uint32_t line = 0; line < manifest->line_count; line++) {
            char name[NAME_BYTES_MAX];
            if (!quoted_include(manifest, line, name)) continue;
            if (strcmp(name, s->path + strlen("src/")) == 0) listed = true;
        }
        if (!listed) report(t, s->path, 1, "manifest", "not included by src/ecs_dev.h");
    }
}

/* ---- rules of ecs.h ---------------------------------------------------------------------- */

static bool next_marker(const source *s, uint32_t *line, char *name)
{
    for (; *line < s->line_count; (*line)++) {
        const char *text = s->text + s->lines[*line];
        if (!starts_with(text, "/* >>")) continue;
        copy_name(name, text + 5, word_end(text + 5, 0, NAME_BYTES_MAX));
        return true;
    }
    return false;
}

/* One marker for each module of the manifest, in its order, and no other. */
static void check_markers(tidy *t, const source *s, const source *manifest)
{
    uint32_t at = 0;
    char marker[NAME_BYTES_MAX];
    char module[NAME_BYTES_MAX];
    for (uint32_t line = 0; line < manifest->line_count; line++) {
        if (!quoted_include(manifest, line, module)) continue;
        char *dot = strrchr(module, '.');
        if (dot != NULL) *dot = 0;
        if (!next_marker(s, &at, marker)) {
            report(t, s->path, s->line_count, "marker", "no section >>%s", module);
            return;
        }
        if (strcmp(marker, module) != 0) {
            report(t, s->path, at + 1, "marker", "section >>%s where >>%s is due", marker, module);
            return;
        }
        at++;
    }
    if (next_marker(s, &at, marker)) {
        report(t, s->path, at + 1, "marker", "section >>%s is not in the manifest", marker);
    }
}

static bool is_date(const char *p)
{
    static const char shape[] = "20dd-dd-dd";
    for (uint32_t i = 0; shape[i] != 0; i++) {
        if (shape[i] == 'd' ? !is_digit(p[i]) : p[i] != shape[i]) return false;
    }
    return true;
}

static void check_generated(tidy *t, const source *s)
{
    static const char *const roots[] = {"/home/", "/root/", "/work/", "/Users/", "/usr/src/",
                                        "/private/", "C:\\", NULL};
    static const char *const clocks[] = {"__DATE__", "__TIME__", "__TIMESTAMP__", NULL};
    size_t at = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < s->bytes; i++) {
        if (is_date(s->text + i)) {
            report(t, s->path, line_of(s, i), "date", "a date in generated text");
        }
        for (uint32_t k = 0; roots[k] != NULL; k++) {
            if (starts_with(s->text + i, roots[k])) {
                report(t, s->path, line_of(s, i), "path", "\"%s\" in generated text", roots[k]);
            }
        }
    }
    while (next_word(s->code, &at, s->bytes, &bytes)) {
        if (word_in(s->code + at, bytes, clocks)) {
            report(t, s->path, line_of(s, at), "date", "%.*s makes builds differ", (int)bytes,
                   s->code + at);
        }
        at += bytes;
    }
}

/* ---- all --------------------------------------------------------------------------------- */

static void check_file(tidy *t, const source *s, const source *manifest)
{
    check_text(t, s);
    if (s->is_generated) {
        check_generated(t, s);
        if (manifest != NULL) check_markers(t, s, manifest);
        return;
    }
    if (s->kind != KIND_C) return;
    check_banned(t, s);
    find_functions(t, s);
    if (!s->in_src) return;
    check_platform(t, s);
    if (s->is_manifest) return;
    check_floors(t, s);
    check_guard(t, s);
}

static void release(tidy *t)
{
    for (uint32_t i = 0; i < t->file_count; i++) {
        free(t->files[i].text);
        free(t->files[i].code);
        free(t->files[i].plain);
        free(t->files[i].lines);
    }
    free(t->files);
    free(t->functions);
    free(t->prototypes);
    free(t->edges);
    free(t->nodes);
}

int main(int argc, char **argv)
{
    tidy t;
    memset(&t, 0, sizeof t);
    t.files = (source *)calloc((size_t)argc + 1, sizeof *t.files);
    if (t.files == NULL) stop("out of memory", "files");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--stats") == 0) {
            t.stats = true;
        } else {
            load(&t.files[t.file_count], argv[i], t.file_count);
            t.file_count++;
        }
    }
    if (t.file_count == 0) {
        fprintf(stderr, "usage: tidy [--stats] FILE ...\n");
        return 2;
    }
    const source *manifest = find_source(&t, "src/ecs_dev.h");
    for (uint32_t i = 0; i < t.file_count; i++) check_file(&t, &t.files[i], manifest);
    for (uint32_t i = 0; i < t.function_count; i++) {
        check_function(&t, &t.functions[i]);
        check_indent(&t, &t.functions[i]);
    }
    check_calls(&t);
    check_circles(&t);
    check_prototypes(&t);
    if (manifest != NULL) check_manifest(&t, manifest);
    check_density(&t);
    uint32_t finding_count = t.finding_count;
    release(&t);
    if (finding_count != 0) printf("tidy: %u findings\n", (unsigned)finding_count);
    return finding_count == 0 ? 0 : 1;
}
