/* terminal.h: the terminal of game_loop.c: keys, pictures, and giving it back as it was, whatever
 * ends the program. POSIX only; elsewhere there is no terminal, and terminal_open says so. */
#ifndef GAME_LOOP_TERMINAL_H
#define GAME_LOOP_TERMINAL_H

#include "maze.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <termios.h>
#include <unistd.h>
#endif

/* A cell of the maze is two wide, and two lines of text stand below. */
enum { WIDTH = COLUMNS * 2, HEIGHT = ROWS + 2 };

typedef struct { char glyph[HEIGHT][WIDTH]; uint8_t colour[HEIGHT][WIDTH]; } Screen;

typedef enum { KEY_NONE, KEY_RIGHT, KEY_DOWN, KEY_LEFT, KEY_UP, KEY_ENTER, KEY_QUIT } Key;

static ecs_run_flag stop_flag; /* set by signals */

static void screen_clear(Screen *screen)
{
    memset(screen->glyph, ' ', sizeof screen->glyph);
    memset(screen->colour, 0, sizeof screen->colour);
}

static void screen_text(Screen *screen, int row, int column, const char *format, ...)
{
    char text[WIDTH + 1];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (int i = 0; text[i] != '\0' && column + i < WIDTH; i++) {
        screen->glyph[row][column + i] = text[i];
        screen->colour[row][column + i] = 37;
    }
}

#ifndef _WIN32
static struct termios terminal_before;
static volatile sig_atomic_t terminal_taken, terminal_stale; /* stale: it shows something else */

static void terminal_write(const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t done = write(STDOUT_FILENO, text, bytes);
        if (done < 0 && errno != EINTR) return; /* it has gone away: a signal says so */
        if (done < 0) continue;
        text += done;
        bytes -= (size_t)done;
    }
}

/* Only what a signal handler may call. */
static void terminal_restore(void)
{
    static const char text[] = "\033[0m\033[?25h\033[?1049l";
    if (terminal_taken == 0) return;
    terminal_taken = 0;
    terminal_write(text, sizeof text - 1);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
}

/* No echo, no waiting for a line or for a key; a screen of its own, without a cursor. */
static void terminal_take(void)
{
    static const char text[] = "\033[?1049h\033[?25l\033[2J";
    struct termios raw = terminal_before;
    raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    terminal_taken = 1;
    terminal_stale = 1;
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    terminal_write(text, sizeof text - 1);
}

/* To be told to leave, to be stopped for a while, and to crash. */
static void on_signal(int number)
{
    int error = errno;
    if (number == SIGTSTP) {
        terminal_restore();
        (void)raise(SIGSTOP); /* until somebody says fg */
        terminal_take();
    } else if (number == SIGINT || number == SIGTERM || number == SIGHUP) {
        ecs_run_stop(&stop_flag); /* and main leaves as always */
    } else {
        terminal_restore();
        (void)signal(number, SIG_DFL);
        (void)raise(number); /* comes when this handler has returned */
    }
    errno = error;
}

static void signal_take(int number)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL);
}

/* Those that end a run, with a terminal and without. */
static void signals_take(void)
{
    signal_take(SIGINT);
    signal_take(SIGTERM);
    signal_take(SIGHUP);
}

static bool terminal_open(void)
{
    static const int numbers[] = {SIGTSTP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                  SIGPIPE};
    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &terminal_before) != 0) return false;
    (void)atexit(terminal_restore);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) signal_take(numbers[i]);
    terminal_take();
    return true;
}

static Key key_typed(void)
{
    static const char keys[] = "dsawCBDA"; /* escape sequences end in C, B, D, A */
    char text[16];
    ssize_t count = read(STDIN_FILENO, text, sizeof text);
    Key key = KEY_NONE;
    for (ssize_t i = 0; i < count; i++) {
        const char *at = text[i] == '\0' ? NULL : strchr(keys, text[i]);
        if (at != NULL) key = (Key)(KEY_RIGHT + (at - keys) % 4);
        if (text[i] == '\n' || text[i] == '\r') key = KEY_ENTER;
        if (text[i] == 'q') return KEY_QUIT;
    }
    return key;
}

/* One write for each picture, and none when it is the last one again. */
static void screen_show(const Screen *screen)
{
    static Screen shown;
    static char text[HEIGHT * WIDTH * 10];
    size_t at = 0;
    if (terminal_stale == 0 && memcmp(&shown, screen, sizeof shown) == 0) return;
    terminal_stale = 0;
    shown = *screen;
    for (int row = 0; row < HEIGHT; row++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "\033[%d;1H", row + 1);
        for (int i = 0, colour = -1; i < WIDTH; i++) {
            if (screen->colour[row][i] != colour) {
                colour = screen->colour[row][i];
                at += (size_t)snprintf(text + at, sizeof text - at, "\033[0;%dm", colour);
            }
            text[at++] = screen->glyph[row][i];
        }
    }
    terminal_write(text, at);
}
#else
static void on_signal(int number)
{
    (void)number;
    ecs_run_stop(&stop_flag);
}

static void signals_take(void)
{
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
}

static bool terminal_open(void)
{
    return false;
}

static void terminal_restore(void)
{
}

static Key key_typed(void)
{
    return KEY_NONE;
}

static void screen_show(const Screen *screen)
{
    (void)screen;
}
#endif

#endif
