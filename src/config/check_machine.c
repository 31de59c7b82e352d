/* So many jobs at once need descriptors and stacks: better said at load than found out under load. */
#include <config/check.h>

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <base/parse.h>
#include <config/file.h>

#define FDS_OF_COMMAND 5 /* three pipes, a pidfd and, for a moment, a status pipe */
#define FDS_OF_REQUEST 2
#define FDS_OF_OUR_OWN 128   /* store, sockets and their clients, log, signals */
#define MAPS_OF_JOB 2        /* a stack and its guard, where each is a mapping */
#define MAPS_OF_OUR_OWN 2048 /* libraries, heaps, threads, the stacks of the rooms */

static bool has_commands(const struct config *config)
{
        for (size_t i = 0; i < config->n_handlers; i++)
                if (config->handlers[i].kind == HANDLER_EXEC)
                        return true;
        return false;
}

/* A consumer that cannot have a job needs nothing. */
static uint64_t jobs_at_once(const struct config *config)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < config->n_queues; i++)
                sum += config->queues[i].concurrency;
        return MIN(sum, (uint64_t)config->concurrency);
}

/* UINT64_MAX: this machine does not say. */
static uint64_t max_mappings(void)
{
        static const char path[] = "/proc/sys/vm/max_map_count";
        struct buffer text = { 0 };
        uint64_t n = UINT64_MAX;
        struct stat st;

        if (file_read(path, 64, false, &st, &text) == 0 && buffer_append(&text, "", 1) == 0) {
                buffer_data(&text)[strcspn(buffer_data(&text), "\n")] = '\0';
                parse_u64(buffer_data(&text), &n);
        }
        buffer_deinit(&text);
        return n;
}

int check_machine(struct errors *errors, const struct node *root, const struct config *config)
{
        const struct node *node = node_child(root, "concurrency");
        uint64_t jobs = jobs_at_once(config), maps = max_mappings(), needed;
        struct mark mark = node ? node->mark : (struct mark){ 0 };
        struct rlimit fds;
        int r = 0;

        if (node && errors_at(errors, mark))
                return 0;
        needed = FDS_OF_OUR_OWN + jobs * (has_commands(config) ? FDS_OF_COMMAND : FDS_OF_REQUEST);
        if (getrlimit(RLIMIT_NOFILE, &fds) == 0 && needed > fds.rlim_max)
                r = errors_add(errors, mark, "concurrency",
                               "%llu jobs at once need %llu file descriptors; allowed: %llu, the "
                               "hard limit of this process (ulimit -Hn, LimitNOFILE=)",
                               (unsigned long long)jobs, (unsigned long long)needed,
                               (unsigned long long)fds.rlim_max);
        needed = MAPS_OF_OUR_OWN + jobs * MAPS_OF_JOB;
        if (r == 0 && needed > maps)
                r = errors_add(errors, mark, "concurrency",
                               "%llu jobs at once may need %llu memory mappings; allowed: %llu, "
                               "vm.max_map_count (sysctl)",
                               (unsigned long long)jobs, (unsigned long long)needed,
                               (unsigned long long)maps);
        return r;
}
