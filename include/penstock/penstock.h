/* All of libpenstock. */
#pragma once

#include <penstock/common.h>
#include <penstock/fd.h>
#include <penstock/future.h>
#include <penstock/group.h>
#include <penstock/http.h>
#include <penstock/loop.h>
#include <penstock/process.h>
#include <penstock/queue.h>
#include <penstock/resolve.h>
#include <penstock/stream.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <penstock/thread.h>
#include <penstock/timeout.h>
#include <penstock/wait.h>
