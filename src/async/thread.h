/* A bounded pool of threads for calls that block. A loop has one for pen_to_thread, and one of its
 * own for names, so that slow DNS delays nobody else. */
#pragma once

#include <base/util.h>
#include <penstock/thread.h>

struct pen_loop;
struct thread_pool;

int thread_pool_create(struct pen_loop *loop, unsigned max_threads, struct thread_pool **ret_pool);

/* Waits for the threads, save those in a call that everybody has given up: they free the pool. */
void thread_pool_free(struct thread_pool *pool);

/* pen_to_thread and pen_to_thread_detached, on that pool. */
PEN_ASYNC int thread_pool_run(struct thread_pool *pool, int (*fn)(void *arg), void *arg,
                              int *ret_result);
PEN_ASYNC int thread_pool_run_detached(struct thread_pool *pool, int (*fn)(void *arg), void *arg,
                                       void (*free_arg)(void *arg), int *ret_result);
