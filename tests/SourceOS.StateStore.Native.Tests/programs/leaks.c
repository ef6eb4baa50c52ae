/* Opening and closing again and again leaves nothing behind: descriptors, threads, maps and memory after many rounds are those after the first ones. Usage: leaks STORE [ROUNDS] */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <sourceos_statestore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT(t) (t), strlen(t)
#define WARM_ROUNDS 300

/* The collector keeps what it once needed, and its heap breathes; a leak of one page a round is beyond this after 10,000. */
#define SLACK_KB 24576

typedef struct counts {
    int files;
    int threads;
    int maps;
    long memory_kb;
} counts;

static int entries(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return count;
}

static counts look(void)
{
    counts now = {entries("/proc/self/fd"), entries("/proc/self/task"), 0, 0};
    char line[1024];
    FILE *file = fopen("/proc/self/maps", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        now.maps++;
    }
    if (file != NULL) {
        fclose(file);
    }
    file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0) {
            now.memory_kb = atol(line + 8);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return now;
}

/* A few rounds write; every round opens, looks and closes. */
static int run(const char *path, int round)
{
    ss_store *writer = NULL;
    ss_store *reader = NULL;
    ss_buffer out = {0};
    int failed = 0;
    if (round % 50 == 0) {
        failed |= ss_open_write(TEXT(path), TEXT("actor:c"), NULL, 0, &writer) != SS_OK;
        failed |= ss_commit(writer, TEXT("{\"changes\":[{\"event\":\"app.round\"}]}"), SS_WAIT_VISIBLE, &out) != SS_OK;
        ss_buffer_free(&out);
        failed |= ss_close(writer) != SS_OK;
    }
    failed |= ss_open_read(TEXT(path), TEXT("actor:c"), NULL, 0, &reader) != SS_OK;
    failed |= ss_list(reader, TEXT("object"), NULL, 0, 10, &out) != SS_OK;
    ss_buffer_free(&out);
    failed |= ss_close(reader) != SS_OK;
    return failed;
}

static int within(counts before, counts after)
{
    return after.files <= before.files && after.threads <= before.threads + 2 && after.maps <= before.maps + 16 && after.memory_kb <= before.memory_kb + SLACK_KB;
}

int main(int count, char **arguments)
{
    ss_store *store = NULL;
    int rounds = count == 3 ? atoi(arguments[2]) : 1000;
    if (count < 2 || rounds < 1 || ss_init(TEXT(arguments[1]), NULL, 0, NULL, 0, NULL, 0, TEXT("actor:c"), &store) != SS_OK || ss_close(store) != SS_OK) {
        return 2;
    }

    for (int i = 0; i < WARM_ROUNDS; i++) {
        if (run(arguments[1], i)) {
            return 3;
        }
    }

    counts before = look();
    for (int i = 0; i < rounds; i++) {
        if (run(arguments[1], i)) {
            return 4;
        }
    }

    /* A thread that ends is gone from the list a moment later. */
    counts after = look();
    for (int i = 0; i < 100 && !within(before, after); i++) {
        usleep(100000);
        after = look();
    }

    printf("%d rounds: descriptors %d then %d, threads %d then %d, maps %d then %d, anonymous memory %ld then %ld KiB\n", rounds, before.files, after.files, before.threads, after.threads,
           before.maps, after.maps, before.memory_kb, after.memory_kb);
    puts(within(before, after) ? "all held" : "something grew");
    return within(before, after) ? 0 : 1;
}
