/* libpenstock: asyncio's ideas in C, tasks that take turns on one thread. This is all of it; each
 * header can be included alone as well, and common.h has the terms that all share. */
#pragma once

#include <penstock/common.h>
#include <penstock/debug.h>
#include <penstock/fd.h>
#include <penstock/future.h>
#include <penstock/gen.h>
#include <penstock/group.h>
#include <penstock/http.h>
#include <penstock/local.h>
#include <penstock/loop.h>
#include <penstock/pool.h>
#include <penstock/process.h>
#include <penstock/queue.h>
#include <penstock/resolve.h>
#include <penstock/retry.h>
#include <penstock/scope.h>
#include <penstock/stream.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <penstock/thread.h>
#include <penstock/timeout.h>
#include <penstock/tls.h>
#include <penstock/wait.h>
