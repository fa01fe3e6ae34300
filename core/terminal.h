/*
 * terminal.h - writing to a terminal that may not be read (a screen that is held, a pty whose owner
 * rests) without waiting for it.
 *
 * A pipe that poll(2) calls writable takes PIPE_BUF bytes at once; a terminal takes what it has
 * room for and lets the writer wait for the rest, unless O_NONBLOCK says otherwise. That belongs to
 * the open file, which the shell shares; opened anew it is ours alone. Thread: any.
 */
#pragma once

/* Where to write in place of `fd`: its terminal, opened anew, which takes a part of what is written
 * or refuses it with EAGAIN; `fd` itself when it is none, or cannot be opened. */
int terminal_open(int fd);
/* `opened` is what terminal_open gave for `fd`. */
void terminal_close(int opened, int fd);
