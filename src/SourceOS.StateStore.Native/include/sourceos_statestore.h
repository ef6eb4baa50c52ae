/*
 * libsourceos_statestore: a device's state of record, for C programs. See docs/c-library.md.
 *
 * Rules that hold for every function:
 * - Text is UTF-8, given as pointer and length; nothing has to end with a zero. NULL with length 0 means "not given" where the text says so, and is SS_USAGE elsewhere.
 * - A handle is a number in a pointer's clothes: it is never followed. A closed, made-up or foreign handle gives SS_CLOSED.
 * - Every function may be called from any thread. A batch is used by one thread at a time. Closing a store that another thread uses takes effect when its call has ended.
 * - An answer is written to an ss_buffer that the caller frees with ss_buffer_free; on any status but SS_OK it is empty, except where the text says otherwise.
 * - JSON answers are those of the command line's --json.
 * - A child of fork() cannot use what its parent opened, nor the library: every call but ss_abi_version and ss_buffer_free gives SS_FORKED and an empty answer there. After exec() it is as any program.
 */
#ifndef SOURCEOS_STATESTORE_H
#define SOURCEOS_STATESTORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; ss_abi_version() says that of the library. They are compatible when equal. */
#define SS_ABI_VERSION 1u

/* What a call came to. The numbers up to 8 are the exit codes of the command line. */
typedef enum ss_status {
    SS_OK = 0,          /* done; yes */
    SS_NO = 1,          /* the answer is no: damage */
    SS_USAGE = 2,       /* a parameter cannot be */
    SS_NOT_FOUND = 3,   /* no such record, or no store */
    SS_REFUSED = 4,     /* by policy, scope or expectation; ss_last_error names the rule */
    SS_LOCKED = 5,      /* another process writes */
    SS_UNSAFE = 6,      /* the store cannot be trusted as it is */
    SS_IO = 7,          /* input, output, a full disk, a missing library */
    SS_BAD_DATA = 8,    /* what was given breaks a rule */
    SS_CLOSED = 9,      /* the handle is closed, or none */
    SS_INTERNAL = 10,   /* a defect of the library */
    SS_FORKED = 11      /* this process is a child of fork() of the one that uses the library */
} ss_status;

typedef struct ss_store ss_store;
typedef struct ss_batch ss_batch;

/* An answer. `data` holds `length` bytes, and a zero behind them that is not counted. */
typedef struct ss_buffer {
    uint8_t *data;
    size_t length;
} ss_buffer;

#define SS_WAIT_VISIBLE 0 /* on the medium, and every read shows it */
#define SS_WAIT_DURABLE 1 /* on the medium */

#define SS_LEVEL_QUICK 0    /* milliseconds, whatever the size */
#define SS_LEVEL_STANDARD 1 /* every byte */

#define SS_ANY_SEQUENCE UINT64_MAX /* no expectation; 0 expects that the record does not exist */

#define SS_BOOT_VERIFIED 0
#define SS_BOOT_REVIEW_REQUIRED 10
#define SS_BOOT_BLOCKED 20

uint32_t ss_abi_version(void);

/* The library's version, as text. */
ss_status ss_version(ss_buffer *out);

/* Frees an answer and empties the buffer; a buffer that is empty already, or NULL, is left as it is. */
void ss_buffer_free(ss_buffer *buffer);

/*
 * The error of this thread's last call, as {"error":{"code","message","place","retryable","next"}}; empty when it went well.
 * The handle says what the call was about and may be NULL or closed. Asking does not change it.
 */
ss_status ss_last_error(ss_store *store, ss_buffer *out);

/*
 * Creates a store in a directory that does not exist or is empty, registers device, profile and actor, and opens it for writing.
 * What is not given is: profile:personal, personal, device:HOSTNAME, actor:USER.
 */
ss_status ss_init(const char *path, size_t path_length, const char *profile, size_t profile_length, const char *profile_class, size_t profile_class_length,
                  const char *device, size_t device_length, const char *actor, size_t actor_length, ss_store **out);

/* Opens a store for reading, beside whoever writes. Actor and profile may be left out: the calling user's own actor, all profiles of its scope. */
ss_status ss_open_read(const char *path, size_t path_length, const char *actor, size_t actor_length, const char *profile, size_t profile_length, ss_store **out);

/* Opens a store for writing, as a registered actor; one process at a time. */
ss_status ss_open_write(const char *path, size_t path_length, const char *actor, size_t actor_length, const char *profile, size_t profile_length, ss_store **out);

/* Closes a store; one that was open for writing, cleanly. */
ss_status ss_close(ss_store *store);

/*
 * Commits a batch, all of it or nothing: {"changes":[{"put":{record}, "expectSequence":n}, {"delete":{"kind","id"}, "expectSequence":n},
 * {"event":"app.name", "object":"id", "data":value}]}. Answers {"status","stage","firstSequence","sequence","commit","committedAt"}.
 */
ss_status ss_commit(ss_store *store, const char *json, size_t json_length, int wait, ss_buffer *out);

/* The same, change by change. A batch is committed once and freed by the caller. */
ss_status ss_batch_new(ss_batch **out);
ss_status ss_batch_free(ss_batch *batch);
ss_status ss_batch_put(ss_batch *batch, const char *json, size_t json_length, uint64_t expected_sequence);
ss_status ss_batch_delete(ss_batch *batch, const char *kind, size_t kind_length, const char *id, size_t id_length, uint64_t expected_sequence);
/* `object` and `data` may be left out. */
ss_status ss_batch_event(ss_batch *batch, const char *type, size_t type_length, const char *object, size_t object_length, const char *data, size_t data_length);
ss_status ss_batch_commit(ss_store *store, ss_batch *batch, int wait, ss_buffer *out);

/* The highest sequence that reads show. */
ss_status ss_sequence(ss_store *store, uint64_t *out);

/* One record, {"kind","id","sequence",...,"record":{...}}; `at` is a sequence, 0 for now. */
ss_status ss_get(ss_store *store, const char *kind, size_t kind_length, const char *id, size_t id_length, uint64_t at, ss_buffer *out);

/* Records of a kind in the order of their identifiers, {"records":[...],"next":"id" or null}; `after` may be left out; `limit` is 1 to 10000. */
ss_status ss_list(ss_store *store, const char *kind, size_t kind_length, const char *after, size_t after_length, uint32_t limit, ss_buffer *out);

/* Events from a sequence on, {"events":[...],"sequence":n,"next":n or null}; `object` and `type` may be left out; `limit` is 1 to 10000. */
ss_status ss_log(ss_store *store, uint64_t from, uint32_t limit, const char *object, size_t object_length, const char *type, size_t type_length, ss_buffer *out);

/* The eleven answers about an object; `at` is a sequence, 0 for now. */
ss_status ss_explain(ss_store *store, const char *id, size_t id_length, uint64_t at, ss_buffer *out);

/* The store at a glance. */
ss_status ss_get_status(ss_store *store, ss_buffer *out);

/* Size and roots of log and records as an unsigned C2SP checkpoint. */
ss_status ss_checkpoint(ss_store *store, ss_buffer *out);

/* Proves that an event stands in the log of `size` frames (0: the whole log); checked offline by `statestore proof check`. */
ss_status ss_prove_event(ss_store *store, uint64_t sequence, uint64_t size, ss_buffer *out);

/* Proves that the log of `later` frames grew out of that of `earlier` frames. */
ss_status ss_prove_consistency(ss_store *store, uint64_t earlier, uint64_t later, ss_buffer *out);

/* Verifies a store that need not open. SS_OK clean, SS_NO damaged, SS_UNSAFE unsafe; the report is there with each of the three. */
ss_status ss_verify(const char *path, size_t path_length, int level, ss_buffer *out);

/* What a repair would do; changes nothing. The answer's "planHash" is what ss_repair_apply wants. */
ss_status ss_repair_plan(const char *path, size_t path_length, ss_buffer *out);

/* Applies exactly that plan; one that gives up durable data only when accepts_loss is not 0. `actor` may be left out. */
ss_status ss_repair_apply(const char *path, size_t path_length, const char *plan_hash, size_t plan_hash_length, const char *actor, size_t actor_length,
                          int accepts_loss, ss_buffer *out);

/*
 * Whether a boot may rest on a store: *verdict is SS_BOOT_VERIFIED, SS_BOOT_REVIEW_REQUIRED or SS_BOOT_BLOCKED, and review required whatever else goes wrong.
 * `budget_ms` 0 is 2000; root_key and min_root are paths and may be left out. Writes nothing and takes no lock.
 */
ss_status ss_boot_check(const char *path, size_t path_length, uint32_t budget_ms, const char *root_key, size_t root_key_length, const char *min_root, size_t min_root_length,
                        int *verdict, ss_buffer *out);

#ifdef __cplusplus
}
#endif

#endif
