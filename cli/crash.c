/*
 * crash.c - see crash.h. The one mutable global of the program: a signal handler gets no context.
 */
#include "cli/crash.h"

#include <signal.h>

#include "engine/engine.h"

static struct poison_page *crash_page;

static void on_crash(int signal_number) {
    poison_mark_crash(crash_page);
    (void)raise(signal_number); /* the default action now: SA_RESETHAND */
}

void crash_handler_install(struct poison_page *page) {
    crash_page = page;
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        (void)sigaction(signals[i], &action, NULL);
    }
}
