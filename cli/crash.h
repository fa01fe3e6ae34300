/*
 * crash.h - when the process crashes, the record being applied is marked, so that a restart can
 * tell a poisonous record from bad luck (engine/poison.h).
 */
#pragma once

/* Marks pages of `path` on SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT, then dies of the signal. */
void crash_handler_install(const char *poison_path);
