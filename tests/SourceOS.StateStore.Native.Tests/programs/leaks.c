/* Opening and closing again and again leaves nothing behind; the runtime's own threads come with the first round and stay few. */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <sourceos_statestore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEXT(t) (t), strlen(t)

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

static int run(const char *path)
{
    ss_store *writer = NULL;
    ss_store *reader = NULL;
    ss_buffer out = {0};
    int failed = ss_open_write(TEXT(path), TEXT("actor:c"), NULL, 0, &writer) != SS_OK;
    failed |= ss_open_read(TEXT(path), TEXT("actor:c"), NULL, 0, &reader) != SS_LOCKED && reader != NULL && ss_close(reader) != SS_OK;
    failed |= ss_commit(writer, TEXT("{\"changes\":[{\"event\":\"app.round\"}]}"), SS_WAIT_VISIBLE, &out) != SS_OK;
    ss_buffer_free(&out);
    failed |= ss_close(writer) != SS_OK;
    failed |= ss_open_read(TEXT(path), TEXT("actor:c"), NULL, 0, &reader) != SS_OK;
    failed |= ss_list(reader, TEXT("object"), NULL, 0, 10, &out) != SS_OK;
    ss_buffer_free(&out);
    failed |= ss_close(reader) != SS_OK;
    return failed;
}

int main(int count, char **arguments)
{
    ss_store *store = NULL;
    if (count != 2 || ss_init(TEXT(arguments[1]), NULL, 0, NULL, 0, NULL, 0, TEXT("actor:c"), &store) != SS_OK || ss_close(store) != SS_OK) {
        return 2;
    }

    for (int i = 0; i < 10; i++) {
        if (run(arguments[1])) {
            return 3;
        }
    }

    int files = entries("/proc/self/fd");
    int threads = entries("/proc/self/task");
    for (int i = 0; i < 200; i++) {
        if (run(arguments[1])) {
            return 4;
        }
    }

    /* A thread that ends is gone from the list a moment later. */
    int files_after = 0;
    int threads_after = 0;
    for (int i = 0; i < 100; i++) {
        files_after = entries("/proc/self/fd");
        threads_after = entries("/proc/self/task");
        if (files_after <= files && threads_after <= threads + 2) {
            puts("all held");
            return 0;
        }
        usleep(100000);
    }

    fprintf(stderr, "descriptors %d then %d, threads %d then %d\n", files, files_after, threads, threads_after);
    return 1;
}
