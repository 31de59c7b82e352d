#!/bin/sh
# What the fuzzer of the configuration was given and has found, once each. To look for more:
#
#     clang -g -O1 -D_GNU_SOURCE -DFUZZER -fsanitize=fuzzer,address,undefined -Iinclude -Isrc \
#             tests/fuzz/fuzz_config.c src/config/*.c src/base/*.c src/job/*.c -lyaml -o fuzz_config
#     ./fuzz_config NEW-FOLDER tests/fuzz/corpus/config
exec ./tests/fuzz/fuzz_config "${srcdir:-.}/tests/fuzz/corpus/config"
