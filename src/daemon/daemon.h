/* The daemon: composes store, services and HTTP interface by a configuration, and follows signals. */
#pragma once

#include <config/config.h>

/* Runs until it is told to stop; to be called by the main task. `config_path` is read again at a reload; `reference` is
 * the caller's. 0: it stopped as told, and nothing is left behind that the store does not know. Less than 0: it could not
 * start, or not write its last results; the reason is logged. */
PEN_ASYNC int daemon_run(const char *config_path, struct config *config);
