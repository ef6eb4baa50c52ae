/* The life of a store as a C program leads it: make, commit, read, prove, close, open again, check. */
#define _POSIX_C_SOURCE 200809L
#include <sourceos_statestore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(int holds, const char *what)
{
    if (!holds) {
        ss_buffer error = {0};
        (void)ss_last_error(NULL, &error);
        fprintf(stderr, "does not hold: %s\n%s\n", what, error.data ? (const char *)error.data : "");
        exit(1);
    }
}

static int says(ss_buffer *answer, const char *part)
{
    int found = answer->data != NULL && strlen((const char *)answer->data) == answer->length && strstr((const char *)answer->data, part) != NULL;
    ss_buffer_free(answer);
    return found;
}

#define TEXT(t) (t), strlen(t)

int main(int count, char **arguments)
{
    if (count != 2) {
        return 2;
    }

    const char *path = arguments[1];
    ss_store *store = NULL;
    ss_buffer answer = {0};
    require(ss_abi_version() == SS_ABI_VERSION, "the interface's version");
    require(ss_version(&answer) == SS_OK && answer.length > 0, "a version");
    ss_buffer_free(&answer);
    require(ss_init(TEXT(path), NULL, 0, NULL, 0, TEXT("device:c"), TEXT("actor:c"), &store) == SS_OK && store != NULL, "init");

    const char *batch = "{\"changes\":[{\"put\":{\"schema\":\"sourceos.object-record/v1alpha1\",\"object_id\":\"note:1\",\"object_type\":\"note\",\"profile_id\":\"profile:personal\",\"title\":\"one\"},\"expectSequence\":0},{\"event\":\"app.hello\"}]}";
    require(ss_commit(store, TEXT(batch), SS_WAIT_VISIBLE, &answer) == SS_OK, "commit");
    require(says(&answer, "\"status\":\"committed\""), "a receipt");
    require(ss_commit(store, TEXT(batch), SS_WAIT_VISIBLE, &answer) == SS_REFUSED && answer.data == NULL, "an expectation that does not hold");
    require(ss_last_error(store, &answer) == SS_OK && says(&answer, "\"code\":\"conflict\""), "its error");

    ss_batch *building = NULL;
    require(ss_batch_new(&building) == SS_OK, "a batch");
    const char *two = "{\"schema\":\"sourceos.object-record/v1alpha1\",\"object_id\":\"note:2\",\"object_type\":\"note\",\"profile_id\":\"profile:personal\"}";
    require(ss_batch_put(building, TEXT(two), 0) == SS_OK, "a put");
    require(ss_batch_delete(building, TEXT("object"), TEXT("note:1"), SS_ANY_SEQUENCE) == SS_OK, "a delete");
    require(ss_batch_event(building, TEXT("app.done"), TEXT("note:2"), TEXT("{ \"n\": 2 }")) == SS_OK, "an event");
    require(ss_batch_event(building, TEXT("sync.mine"), NULL, 0, NULL, 0) == SS_REFUSED, "a reserved event");
    require(ss_batch_commit(store, building, SS_WAIT_DURABLE, &answer) == SS_OK, "its commit");
    ss_buffer_free(&answer);
    require(ss_batch_commit(store, building, SS_WAIT_VISIBLE, &answer) == SS_USAGE, "a batch is committed once");
    require(ss_batch_free(building) == SS_OK && ss_batch_free(building) == SS_CLOSED, "a batch is freed once");

    /* A commit that others wait for is behind the durable one, so both are visible now. */
    require(ss_commit(store, TEXT("{\"changes\":[{\"event\":\"app.last\"}]}"), SS_WAIT_VISIBLE, &answer) == SS_OK, "another");
    ss_buffer_free(&answer);
    uint64_t sequence = 0;
    require(ss_sequence(store, &sequence) == SS_OK && sequence > 5, "a sequence");
    require(ss_get(store, TEXT("objects"), TEXT("note:2"), 0, &answer) == SS_OK && says(&answer, "\"object_id\":\"note:2\""), "get");
    require(ss_get(store, TEXT("object"), TEXT("note:1"), 0, &answer) == SS_NOT_FOUND, "a deleted record");
    require(ss_get(store, TEXT("object"), TEXT("note:1"), sequence - 5, &answer) == SS_OK && says(&answer, "\"title\":\"one\""), "get as of");
    require(ss_list(store, TEXT("object"), NULL, 0, 10, &answer) == SS_OK && says(&answer, "\"next\":null"), "list");
    require(ss_log(store, sequence, 10, NULL, 0, NULL, 0, &answer) == SS_OK && says(&answer, "app.last"), "log");
    require(ss_explain(store, TEXT("note:2"), 0, &answer) == SS_OK && says(&answer, "\"number\":11"), "explain");
    require(ss_get_status(store, &answer) == SS_OK && says(&answer, "\"health\":\"healthy\""), "status");
    require(ss_checkpoint(store, &answer) == SS_OK && answer.length > 0, "checkpoint");
    ss_buffer_free(&answer);
    require(ss_prove_event(store, sequence, 0, &answer) == SS_OK && answer.length > 0, "a proof");
    ss_buffer_free(&answer);
    require(ss_prove_consistency(store, 1, 2, &answer) == SS_OK && answer.length > 0, "consistency");
    ss_buffer_free(&answer);

    ss_store *reader = NULL;
    require(ss_open_write(TEXT(path), TEXT("actor:c"), NULL, 0, &reader) == SS_LOCKED && reader == NULL, "one writer");
    require(ss_close(store) == SS_OK && ss_close(store) == SS_CLOSED, "close, once");
    require(ss_open_read(TEXT(path), TEXT("actor:c"), NULL, 0, &reader) == SS_OK, "open for reading");
    require(ss_get(reader, TEXT("object"), TEXT("note:2"), 0, &answer) == SS_OK && says(&answer, "note:2"), "what was committed");
    require(ss_commit(reader, TEXT(batch), SS_WAIT_VISIBLE, &answer) == SS_USAGE, "a reader does not write");
    require(ss_close(reader) == SS_OK, "close");
    require(ss_verify(TEXT(path), SS_LEVEL_STANDARD, &answer) == SS_OK && says(&answer, "\"verdict\":\"clean\""), "verify");
    require(ss_repair_plan(TEXT(path), &answer) == SS_OK && says(&answer, "\"steps\":[]"), "nothing to repair");
    int verdict = -1;
    require(ss_boot_check(TEXT(path), 0, NULL, 0, NULL, 0, &verdict, &answer) == SS_OK && verdict == SS_BOOT_VERIFIED, "boot check");
    require(says(&answer, "\"verdict\":\"verified\""), "its words");
    puts("all held");
    return 0;
}
