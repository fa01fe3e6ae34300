/*
 * crash.h - when the process crashes, the record being applied is marked, so that a restart can
 * tell a poisonous record from bad luck (engine/poison.h).
 */
#pragma once

struct poison_page;

/* Marks the page (poison_map of engine/engine.h; it stays mapped) on SIGSEGV, SIGBUS, SIGILL,
 * SIGFPE and SIGABRT, then dies of the signal. */
void crash_handler_install(struct poison_page *page);
