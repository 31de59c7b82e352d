#include <store/redis/greeting.h>

#include <stdio.h>
#include <string.h>

static bool begins_with(const char *text, const char *prefix)
{
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

static struct greeting_step *add(struct greeting *g, enum greeting_need need, const char *verb)
{
        struct greeting_step *step = &g->steps[g->n++];

        *step = (struct greeting_step){ .words = { verb }, .need = need };
        return step;
}

void greeting_init(struct greeting *g, const struct redis_target *target)
{
        struct greeting_step *step;

        *g = (struct greeting){ .n = 0 };
        if (target->password) {
                step = add(g, GREETING_MUST, "AUTH");
                step->words[1] = target->user ? target->user : target->password;
                step->words[2] = target->user ? target->password : NULL;
        }
        if (target->db > 0) {
                snprintf(g->db, sizeof(g->db), "%u", target->db);
                add(g, GREETING_MUST, "SELECT")->words[1] = g->db;
        }
        if (target->name) {
                step = add(g, GREETING_MAY, "CLIENT");
                step->words[1] = "SETNAME";
                step->words[2] = target->name;
        }
        add(g, GREETING_MAY, "CLIENT")->words[1] = "ID";
        add(g, GREETING_LISTENS, "PING");
}

bool greeting_is_refused(const struct greeting_step *step, const char *error)
{
        switch (step->need) {
        case GREETING_MUST:
                return true;
        case GREETING_MAY:
                return false;
        case GREETING_LISTENS:
                return begins_with(error, "LOADING") || greeting_hint(error);
        }
        return true;
}

const char *greeting_hint(const char *error)
{
        static const struct {
                const char *error, *hint;
        } hints[] = {
                { "NOAUTH", "; set store.password_file" },
                { "WRONGPASS", "; set store.password_file to one with the right password" },
                { "ERR invalid password",
                  "; set store.password_file to one with the right password" },
                { "ERR AUTH", "; the server has no password: unset store.password_file" },
                { "ERR Client sent AUTH",
                  "; the server has no password: unset store.password_file" },
                { "NOPERM", "; allow it to this user by ACL SETUSER" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
                if (begins_with(error, hints[i].error))
                        return hints[i].hint;
        return NULL;
}
