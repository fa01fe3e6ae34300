/*
 * loop_sim.h - the other side of the simulated loop (loop.h, LOOP_SIM): a test plays the clients,
 * the disk and time itself.
 *
 * Nothing of the machine is asked but memory and, for loop_file_write, the file. Time is virtual:
 * it stands while there is something to do and then jumps to what is due next. What a peer sends
 * comes in pieces and in an order that the seed decides, so that a run can be repeated exactly.
 *
 * Thread: the loop's.
 */
#pragma once

#include "core/loop.h"

enum { SIM_CLIENTS_MAX = 64, SIM_WINDOW_BYTES = 128 * 1024 };

/* The seed of what follows; a new loop has seed 1. */
void loop_sim_seed(struct loop *loop, uint64_t seed);

/* A client connects to a port that loop_listen gave; its number, or SIM_CLIENTS_MAX when there are
 * too many. Whether the server takes it shows in the next runs. */
uint32_t loop_sim_connect(struct loop *loop, uint16_t port);
/* Bytes taken (0: the window is full), or -1 when the connection is gone. */
int64_t loop_sim_send(struct loop *loop, uint32_t client, struct slice bytes);
/* Bytes given (0: nothing is there yet), or -1 behind the server's last byte. */
int64_t loop_sim_receive(struct loop *loop, uint32_t client, void *memory, size_t capacity);
/* The client sends no more, but still reads. */
void loop_sim_half_close(struct loop *loop, uint32_t client);
/* The client is gone: the server sees the end, or with is_reset an error. */
void loop_sim_disconnect(struct loop *loop, uint32_t client, bool is_reset);

/* The disk fails: the n-th file write from now (1: the next) is not done and reports error_number;
 * with is_sync_only the bytes are written and only the sync fails. */
void loop_sim_fail_write(struct loop *loop, uint32_t n, int error_number, bool is_sync_only);
