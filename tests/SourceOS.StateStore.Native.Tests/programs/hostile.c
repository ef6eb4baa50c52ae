/* Every call with what no program should give it: NULL, huge lengths, closed and foreign handles, bytes that are no text, stores that are none. */
#include <sourceos_statestore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

static void expect(int status, int wanted, const char *what)
{
    if (status != wanted) {
        fprintf(stderr, "%s gave %d, not %d\n", what, status, wanted);
        failures++;
    }
}

#define TEXT(t) (t), strlen(t)
#define HUGE_LENGTH ((size_t)-1)

static void handles(ss_store *handle, int wanted)
{
    ss_buffer out = {0};
    uint64_t number = 0;
    expect(ss_sequence(handle, &number), wanted, "ss_sequence");
    expect(ss_get(handle, TEXT("object"), TEXT("a"), 0, &out), wanted, "ss_get");
    expect(ss_list(handle, TEXT("object"), NULL, 0, 1, &out), wanted, "ss_list");
    expect(ss_log(handle, 1, 1, NULL, 0, NULL, 0, &out), wanted, "ss_log");
    expect(ss_explain(handle, TEXT("a"), 0, &out), wanted, "ss_explain");
    expect(ss_get_status(handle, &out), wanted, "ss_get_status");
    expect(ss_checkpoint(handle, &out), wanted, "ss_checkpoint");
    expect(ss_prove_event(handle, 1, 0, &out), wanted, "ss_prove_event");
    expect(ss_prove_consistency(handle, 1, 1, &out), wanted, "ss_prove_consistency");
    expect(ss_commit(handle, TEXT("{\"changes\":[]}"), 0, &out), wanted, "ss_commit");
    expect(ss_batch_put((ss_batch *)handle, TEXT("{}"), 0), wanted, "ss_batch_put");
    expect(ss_batch_commit(handle, (ss_batch *)handle, 0, &out), wanted, "ss_batch_commit");
    expect(ss_batch_free((ss_batch *)handle), wanted, "ss_batch_free");
    if (out.data != NULL) {
        fprintf(stderr, "a failed call left an answer\n");
        failures++;
    }
}

int main(int count, char **arguments)
{
    if (count != 3) {
        return 2;
    }

    ss_store *store = NULL;
    ss_batch *batch = NULL;
    ss_buffer out = {0};
    uint64_t number = 0;
    int verdict = 0;
    const char *garbage = arguments[2];

    handles(NULL, SS_CLOSED);
    handles((ss_store *)1, SS_CLOSED);
    handles((ss_store *)(uintptr_t)0xdeadbeefdeadbeefULL, SS_CLOSED);
    handles((ss_store *)&out, SS_CLOSED);
    expect(ss_close(NULL), SS_CLOSED, "close NULL");
    expect(ss_close((ss_store *)42), SS_CLOSED, "close a number");

    expect(ss_init(TEXT(arguments[1]), NULL, 0, NULL, 0, NULL, 0, TEXT("actor:c"), &store), SS_OK, "init");
    expect(ss_init(TEXT(arguments[1]), NULL, 0, NULL, 0, NULL, 0, TEXT("actor:c"), &(ss_store *){NULL}), SS_BAD_DATA, "init twice");
    expect(ss_batch_new(&batch), SS_OK, "batch");
    handles((ss_store *)batch == NULL ? NULL : (ss_store *)((char *)batch + 8), SS_CLOSED);
    expect(ss_get((ss_store *)batch, TEXT("object"), TEXT("a"), 0, &out), SS_CLOSED, "a batch for a store");
    expect(ss_batch_put((ss_batch *)store, TEXT("{}"), 0), SS_CLOSED, "a store for a batch");

    expect(ss_version(NULL), SS_USAGE, "no place for an answer");
    expect(ss_get(store, TEXT("object"), TEXT("a"), 0, NULL), SS_USAGE, "no place for an answer");
    expect(ss_sequence(store, NULL), SS_USAGE, "no place for a number");
    expect(ss_open_read(TEXT(arguments[1]), NULL, 0, NULL, 0, NULL), SS_USAGE, "no place for a handle");
    expect(ss_batch_new(NULL), SS_USAGE, "no place for a batch");
    expect(ss_last_error(store, NULL), SS_USAGE, "no place for an error");
    expect(ss_boot_check(TEXT(arguments[1]), 0, NULL, 0, NULL, 0, NULL, &out), SS_USAGE, "no place for a verdict");
    ss_buffer_free(NULL);
    ss_buffer_free(&out);
    ss_buffer_free(&out);

    expect(ss_open_read(NULL, 0, NULL, 0, NULL, 0, &(ss_store *){NULL}), SS_USAGE, "path NULL");
    expect(ss_open_read(NULL, 9, NULL, 0, NULL, 0, &(ss_store *){NULL}), SS_USAGE, "path NULL with a length");
    expect(ss_open_read("", 0, NULL, 0, NULL, 0, &(ss_store *){NULL}), SS_USAGE, "path empty");
    expect(ss_open_read("a", HUGE_LENGTH, NULL, 0, NULL, 0, &(ss_store *){NULL}), SS_USAGE, "path huge");
    expect(ss_open_read("a\0b", 3, NULL, 0, NULL, 0, &(ss_store *){NULL}), SS_USAGE, "path with a zero");
    expect(ss_open_read("\xff\xfe", 2, NULL, 0, NULL, 0, &(ss_store *){NULL}), SS_BAD_DATA, "path not UTF-8");
    expect(ss_open_read(TEXT(arguments[1]), "", 0, NULL, 0, &(ss_store *){NULL}), SS_BAD_DATA, "actor empty");
    expect(ss_open_read(TEXT(arguments[1]), TEXT("actor:nobody"), NULL, 0, &(ss_store *){NULL}), SS_REFUSED, "actor unknown");
    expect(ss_get(store, NULL, 0, TEXT("a"), 0, &out), SS_USAGE, "kind NULL");
    expect(ss_get(store, "object", HUGE_LENGTH, TEXT("a"), 0, &out), SS_USAGE, "kind huge");
    expect(ss_get(store, TEXT("objectz"), TEXT("a"), 0, &out), SS_BAD_DATA, "kind unknown");
    expect(ss_get(store, TEXT("object"), NULL, 0, 0, &out), SS_USAGE, "id NULL");
    expect(ss_get(store, TEXT("object"), "a\nb", 3, 0, &out), SS_BAD_DATA, "id with a line break");
    expect(ss_get(store, TEXT("object"), TEXT("a"), UINT64_MAX, &out), SS_NOT_FOUND, "as of the end of time");
    expect(ss_list(store, TEXT("object"), NULL, 0, 0, &out), SS_USAGE, "limit 0");
    expect(ss_list(store, TEXT("object"), NULL, 0, UINT32_MAX, &out), SS_USAGE, "limit huge");
    expect(ss_log(store, UINT64_MAX, 1, NULL, 0, NULL, 0, &out), SS_OK, "log from the end of time");
    ss_buffer_free(&out);
    expect(ss_prove_event(store, 0, 0, &out), SS_NOT_FOUND, "event 0");
    expect(ss_prove_event(store, 1, UINT64_MAX, &out), SS_BAD_DATA, "size huge");
    expect(ss_prove_consistency(store, 0, 0, &out), SS_BAD_DATA, "sizes 0");
    expect(ss_commit(store, NULL, 0, 0, &out), SS_USAGE, "batch NULL");
    expect(ss_commit(store, "{}", HUGE_LENGTH, 0, &out), SS_USAGE, "batch huge");
    expect(ss_commit(store, TEXT("{\"changes\":[{\"event\":\"app.x\"}]}"), 7, &out), SS_USAGE, "wait unknown");
    const char *bad[] = {"", "{", "[]", "{}", "null", "{\"changes\":{}}", "{\"changes\":[1]}", "{\"changes\":[{}]}", "{\"changes\":[{\"put\":1}]}", "{\"changes\":[],\"more\":1}",
                         "{\"changes\":[{\"delete\":1}]}", "{\"changes\":[{\"event\":\"A B\"}]}", "{\"changes\":[{\"event\":\"app.x\",\"data\":\"\\ud800\"}]}", "\xff", "{\"changes\":[{\"put\":{\"schema\":\"\\ud800\"}}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect(ss_commit(store, TEXT(bad[i]), 0, &out), SS_BAD_DATA, bad[i]);
    }

    char *deep = malloc(200000);
    memset(deep, '[', 200000);
    expect(ss_commit(store, deep, 200000, 0, &out), SS_BAD_DATA, "a deep document");
    expect(ss_batch_put(batch, deep, 200000, 0), SS_BAD_DATA, "a deep record");
    free(deep);

    expect(ss_open_read(TEXT(garbage), NULL, 0, NULL, 0, &(ss_store *){NULL}), SS_UNSAFE, "garbage for reading");
    expect(ss_open_write(TEXT(garbage), NULL, 0, NULL, 0, &(ss_store *){NULL}), SS_UNSAFE, "garbage for writing");
    expect(ss_verify(TEXT(garbage), SS_LEVEL_STANDARD, &out), SS_UNSAFE, "garbage verified");
    ss_buffer_free(&out);
    expect(ss_verify(TEXT(garbage), 99, &out), SS_USAGE, "level unknown");
    expect(ss_verify(TEXT("/nowhere"), SS_LEVEL_QUICK, &out), SS_NOT_FOUND, "nothing verified");
    expect(ss_boot_check(TEXT(garbage), 0, NULL, 0, NULL, 0, &verdict, &out), SS_OK, "garbage booted");
    expect(verdict != SS_BOOT_VERIFIED, 1, "garbage is not verified");
    ss_buffer_free(&out);
    verdict = 0;
    expect(ss_boot_check(NULL, 0, 0, NULL, 0, NULL, 0, &verdict, &out), SS_USAGE, "no path booted");
    expect(verdict, SS_BOOT_REVIEW_REQUIRED, "no path is not verified");
    int status = ss_repair_plan(TEXT(garbage), &out);
    expect(status == SS_OK || status == SS_UNSAFE, 1, "garbage planned");
    ss_buffer_free(&out);
    status = ss_repair_apply(TEXT(garbage), TEXT("00"), NULL, 0, 0, &out);
    expect(status == SS_REFUSED || status == SS_UNSAFE, 1, "garbage repaired by a wrong plan");

    expect(ss_sequence(store, &number), SS_OK, "the store still answers");
    expect(ss_close(store), SS_OK, "close");
    handles(store, SS_CLOSED);
    expect(ss_batch_free(batch), SS_OK, "free");
    puts(failures == 0 ? "all held" : "some did not hold");
    return failures == 0 ? 0 : 1;
}
