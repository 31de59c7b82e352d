/* Names for the addresses of a backtrace, static functions included: glibc's backtrace_symbols knows
 * only what a program exports. */
#pragma once

#include <stddef.h>

/* Writes `function+0x12`, or `file+0x1234` for addr2line where the file was stripped. */
void symbol_format(const void *address, char *text, size_t size);
