/* Calls from many threads at once while others close and free under them, and calls in children after fork(): each ends with a status, none hangs, none dies. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sourceos_statestore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT(t) (t), strlen(t)
#define THREADS 8
#define ROUNDS 60

static const char *path;
static _Atomic(ss_store *) shared;
static _Atomic(ss_batch *) shared_batch;
static atomic_int strange;
static atomic_int stopped;

static void allow(int status, const char *what)
{
    if (status != SS_OK && status != SS_CLOSED && status != SS_NOT_FOUND && status != SS_LOCKED && status != SS_USAGE) {
        fprintf(stderr, "%s gave %d\n", what, status);
        strange++;
    }
}

static void *reader(void *unused)
{
    (void)unused;
    while (!stopped) {
        ss_buffer out = {0};
        ss_store *store = shared;
        allow(ss_get(store, TEXT("object"), TEXT("note:1"), 0, &out), "get");
        ss_buffer_free(&out);
        allow(ss_list(store, TEXT("object"), NULL, 0, 10, &out), "list");
        ss_buffer_free(&out);
        allow(ss_get_status(store, &out), "status");
        ss_buffer_free(&out);
        allow(ss_commit(store, TEXT("{\"changes\":[{\"event\":\"app.race\"}]}"), SS_WAIT_VISIBLE, &out), "commit");
        ss_buffer_free(&out);
        ss_batch *batch = shared_batch;
        allow(ss_batch_event(batch, TEXT("app.race"), NULL, 0, NULL, 0), "event");
        allow(ss_last_error(store, &out), "error");
        ss_buffer_free(&out);
    }
    return NULL;
}

static void *closer(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        ss_store *next = NULL;
        ss_batch *batch = NULL;
        allow(ss_open_write(TEXT(path), TEXT("actor:c"), NULL, 0, &next), "open");
        allow(ss_batch_new(&batch), "batch");
        shared = next;
        shared_batch = batch;
        usleep(2000);
        allow(ss_batch_free(batch), "free");
        allow(ss_close(next), "close");
        allow(ss_close(next), "close again");
    }
    stopped = 1;
    return NULL;
}

/* Every call in a child; what it ends with is how many of them were not refused. */
static int in_child(ss_store *store, ss_batch *batch)
{
    ss_buffer out = {(uint8_t *)1, 1};
    ss_store *opened = (ss_store *)1;
    ss_batch *made = (ss_batch *)1;
    uint64_t number = 0;
    int verdict = 0;
    int wrong = 0;
#define REFUSED(call) do { out.data = (uint8_t *)1; out.length = 1; if ((call) != SS_FORKED) { wrong++; fprintf(stderr, "not refused: %s\n", #call); } } while (0)
#define EMPTY(call) do { REFUSED(call); if (out.data != NULL || out.length != 0) { wrong++; fprintf(stderr, "left an answer: %s\n", #call); } } while (0)
    EMPTY(ss_version(&out));
    EMPTY(ss_last_error(store, &out));
    EMPTY(ss_get(store, TEXT("object"), TEXT("note:1"), 0, &out));
    EMPTY(ss_list(store, TEXT("object"), NULL, 0, 10, &out));
    EMPTY(ss_log(store, 1, 10, NULL, 0, NULL, 0, &out));
    EMPTY(ss_explain(store, TEXT("note:1"), 0, &out));
    EMPTY(ss_get_status(store, &out));
    EMPTY(ss_checkpoint(store, &out));
    EMPTY(ss_prove_event(store, 1, 0, &out));
    EMPTY(ss_prove_consistency(store, 1, 1, &out));
    EMPTY(ss_commit(store, TEXT("{\"changes\":[]}"), 0, &out));
    EMPTY(ss_batch_commit(store, batch, 0, &out));
    EMPTY(ss_verify(TEXT(path), SS_LEVEL_QUICK, &out));
    EMPTY(ss_repair_plan(TEXT(path), &out));
    EMPTY(ss_repair_apply(TEXT(path), TEXT("00"), NULL, 0, 0, &out));
    EMPTY(ss_boot_check(TEXT(path), 0, NULL, 0, NULL, 0, &verdict, &out));
    REFUSED(ss_sequence(store, &number));
    REFUSED(ss_batch_new(&made));
    REFUSED(ss_batch_put(batch, TEXT("{}"), 0));
    REFUSED(ss_batch_delete(batch, TEXT("object"), TEXT("a"), 0));
    REFUSED(ss_batch_event(batch, TEXT("app.x"), NULL, 0, NULL, 0));
    REFUSED(ss_batch_free(batch));
    REFUSED(ss_open_read(TEXT(path), NULL, 0, NULL, 0, &opened));
    REFUSED(ss_open_write(TEXT(path), NULL, 0, NULL, 0, &opened));
    REFUSED(ss_init(TEXT("/nowhere"), NULL, 0, NULL, 0, NULL, 0, NULL, 0, &opened));
    REFUSED(ss_close(store));
    REFUSED(ss_get(NULL, NULL, 9, NULL, 9, 0, NULL));
    wrong += verdict != SS_BOOT_REVIEW_REQUIRED;
    wrong += opened != NULL || made != NULL;
    wrong += ss_abi_version() != SS_ABI_VERSION;
    out.data = NULL;
    ss_buffer_free(&out);
    return wrong;
}

int main(int count, char **arguments)
{
    ss_store *store = NULL;
    ss_batch *batch = NULL;
    ss_buffer out = {0};
    pthread_t threads[THREADS];
    pthread_t ender;
    if (count != 2) {
        return 2;
    }

    path = arguments[1];
    alarm(120);
    if (ss_init(TEXT(path), NULL, 0, NULL, 0, NULL, 0, TEXT("actor:c"), &store) != SS_OK || ss_close(store) != SS_OK) {
        return 3;
    }

    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, reader, NULL);
    }
    pthread_create(&ender, NULL, closer, NULL);
    pthread_join(ender, NULL);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }

    /* Children while the store is open and busy threads allocate in the parent. */
    if (ss_open_write(TEXT(path), TEXT("actor:c"), NULL, 0, &store) != SS_OK || ss_batch_new(&batch) != SS_OK) {
        return 4;
    }
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            int wrong = 0;
            /* Often enough that allocating anything on the way would ask for a collection, which could never end here. */
            for (int round = 0; round < (i == 0 ? 20000 : 20) && wrong == 0; round++) {
                wrong = in_child(store, batch);
            }
            _exit(wrong > 100 ? 100 : wrong);
        }

        int ended = 0;
        waitpid(child, &ended, 0);
        if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0) {
            fprintf(stderr, "a child ended with %d, signal %d\n", WIFEXITED(ended) ? WEXITSTATUS(ended) : -1, WIFSIGNALED(ended) ? WTERMSIG(ended) : 0);
            strange++;
            break;
        }
    }

    /* The parent's store is as it was. */
    if (ss_commit(store, TEXT("{\"changes\":[{\"event\":\"app.parent\"}]}"), SS_WAIT_VISIBLE, &out) != SS_OK) {
        strange++;
    }
    ss_buffer_free(&out);
    if (ss_batch_free(batch) != SS_OK || ss_close(store) != SS_OK || ss_verify(TEXT(path), SS_LEVEL_STANDARD, &out) != SS_OK) {
        strange++;
    }
    ss_buffer_free(&out);
    puts(strange == 0 ? "all held" : "some did not hold");
    return strange == 0 ? 0 : 1;
}
