"""A device's state of record, from Python: a thin, typed layer over libsourceos_statestore.

    import sourceos_statestore as ss

    with ss.open_write("/var/lib/sourceos/state") as store:
        store.commit([ss.put({"schema": "sourceos.object-record/v1alpha1", "object_id": "note:1", "object_type": "note"})])
        print(store.get("object", "note:1")["record"])
        for event in store.log(1):
            print(event["sequence"], event["type"])

Every error is a StateStoreError with `code`, `message`, `place`, `retryable`, `next` and `status`. A store is closed by `with`, by close(), or with the last
reference; using it afterwards raises ClosedError. Calls may come from any thread; the library releases the interpreter's lock while it works.
Do not use a store after fork(). The library is found by $SOURCEOS_STATESTORE_LIBRARY, else by the loader's path.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import os
import threading
from typing import Any, Dict, Iterable, Iterator, List, Optional, Type, Union

__all__ = [
    "ABI_VERSION", "BadDataError", "BootResult", "ClosedError", "ForkedError", "InternalError", "IoError", "LockedError", "NotFoundError", "RefusedError", "StateStoreError",
    "Store", "UnsafeError", "UsageError", "boot_check", "delete", "event", "init", "open_read", "open_write", "put", "repair_apply", "repair_plan", "verify", "version",
]

#: The version of the C interface that this module speaks.
ABI_VERSION = 1

_PAGE = 1000
PathLike = Union[str, "os.PathLike[str]"]
Json = Dict[str, Any]


class StateStoreError(Exception):
    """What went wrong, in the shape of all doors."""

    def __init__(self, status: int, error: Json) -> None:
        super().__init__(error.get("message", f"status {status}"))
        self.status = status
        self.code: str = error.get("code", "")
        self.message: str = error.get("message", "")
        self.place: str = error.get("place", "")
        self.retryable: bool = bool(error.get("retryable", False))
        self.next: str = error.get("next", "")
        self.rule: str = error.get("rule", "")


class UsageError(StateStoreError):
    """A parameter cannot be."""


class NotFoundError(StateStoreError):
    """No such record, or no store."""


class RefusedError(StateStoreError):
    """Refused by policy, scope or expectation; `rule` names which."""


class LockedError(StateStoreError):
    """Another process writes."""


class UnsafeError(StateStoreError):
    """The store cannot be trusted as it is."""


class IoError(StateStoreError):
    """Input, output, a full disk, a missing library."""


class BadDataError(StateStoreError):
    """What was given breaks a rule."""


class ClosedError(StateStoreError):
    """The store is closed."""


class InternalError(StateStoreError):
    """A defect of the library."""


class ForkedError(StateStoreError):
    """This process was forked from the one that uses the library, as `os.fork` and the start method `fork` of `multiprocessing` do; use `spawn`."""


_ERRORS: Dict[int, Type[StateStoreError]] = {
    2: UsageError, 3: NotFoundError, 4: RefusedError, 5: LockedError, 6: UnsafeError, 7: IoError, 8: BadDataError, 9: ClosedError, 10: InternalError, 11: ForkedError,
}


class _Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.POINTER(ctypes.c_ubyte)), ("length", ctypes.c_size_t)]


def _signatures(library: ctypes.CDLL) -> None:
    text = [ctypes.c_char_p, ctypes.c_size_t]
    buffer = ctypes.POINTER(_Buffer)
    handle = ctypes.c_void_p
    out_handle = ctypes.POINTER(ctypes.c_void_p)
    number = ctypes.c_uint64
    table: Dict[str, List[Any]] = {
        "ss_version": [buffer],
        "ss_last_error": [handle, buffer],
        "ss_init": [*text, *text, *text, *text, *text, out_handle],
        "ss_open_read": [*text, *text, *text, out_handle],
        "ss_open_write": [*text, *text, *text, out_handle],
        "ss_close": [handle],
        "ss_commit": [handle, *text, ctypes.c_int, buffer],
        "ss_sequence": [handle, ctypes.POINTER(number)],
        "ss_get": [handle, *text, *text, number, buffer],
        "ss_list": [handle, *text, *text, ctypes.c_uint32, buffer],
        "ss_log": [handle, number, ctypes.c_uint32, *text, *text, buffer],
        "ss_explain": [handle, *text, number, buffer],
        "ss_get_status": [handle, buffer],
        "ss_checkpoint": [handle, buffer],
        "ss_prove_event": [handle, number, number, buffer],
        "ss_prove_consistency": [handle, number, number, buffer],
        "ss_verify": [*text, ctypes.c_int, buffer],
        "ss_repair_plan": [*text, buffer],
        "ss_repair_apply": [*text, *text, *text, ctypes.c_int, buffer],
        "ss_boot_check": [*text, ctypes.c_uint32, *text, *text, ctypes.POINTER(ctypes.c_int), buffer],
    }
    for name, arguments in table.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = ctypes.c_int
    library.ss_abi_version.argtypes = []
    library.ss_abi_version.restype = ctypes.c_uint32
    library.ss_buffer_free.argtypes = [buffer]
    library.ss_buffer_free.restype = None


_library: Optional[ctypes.CDLL] = None
_library_gate = threading.Lock()


def _lib() -> ctypes.CDLL:
    global _library
    with _library_gate:
        if _library is None:
            name = os.environ.get("SOURCEOS_STATESTORE_LIBRARY") or ctypes.util.find_library("sourceos_statestore") or "libsourceos_statestore.so.1"
            try:
                loaded = ctypes.CDLL(name)
            except OSError as fault:
                raise IoError(7, {"code": "native_library_missing", "message": f"The library cannot be loaded: {fault}", "place": name,
                                  "next": "Install libsourceos_statestore and liblmdb0, or name it in SOURCEOS_STATESTORE_LIBRARY."}) from fault
            found = loaded.ss_abi_version()
            if found != ABI_VERSION:
                raise UsageError(2, {"code": "abi_mismatch", "message": f"The library speaks version {found} of its interface; this module speaks {ABI_VERSION}.", "place": name})
            _signatures(loaded)
            _library = loaded
        return _library


def _bytes(text: Optional[str]) -> List[Any]:
    if text is None:
        return [None, 0]
    data = text.encode("utf-8", "surrogatepass")
    return [data, len(data)]


def _path(path: PathLike) -> List[Any]:
    data = os.fsencode(path)
    return [data, len(data)]


def _take(buffer: _Buffer) -> bytes:
    try:
        return ctypes.string_at(buffer.data, buffer.length) if buffer.data else b""
    finally:
        _lib().ss_buffer_free(ctypes.byref(buffer))


def _fail(status: int) -> StateStoreError:
    buffer = _Buffer()
    _lib().ss_last_error(None, ctypes.byref(buffer))
    text = _take(buffer)
    error = json.loads(text)["error"] if text else {}
    return _ERRORS.get(status, StateStoreError)(status, error)


def _check(status: int) -> None:
    if status != 0:
        raise _fail(status)


def _ask(function: Any, *arguments: Any) -> bytes:
    buffer = _Buffer()
    _check(function(*arguments, ctypes.byref(buffer)))
    return _take(buffer)


def version() -> str:
    """The library's version."""
    return _ask(_lib().ss_version).decode()


def put(record: Json, expect_sequence: Optional[int] = None) -> Json:
    """A change that adds or replaces a record; `expect_sequence` 0 expects that it does not exist."""
    return {"put": record} if expect_sequence is None else {"put": record, "expectSequence": expect_sequence}


def delete(kind: str, record_id: str, expect_sequence: Optional[int] = None) -> Json:
    """A change that deletes a record."""
    change: Json = {"delete": {"kind": kind, "id": record_id}}
    if expect_sequence is not None:
        change["expectSequence"] = expect_sequence
    return change


def event(event_type: str, object_id: Optional[str] = None, data: Any = None) -> Json:
    """An event of the program's own, such as app.note.opened."""
    change: Json = {"event": event_type}
    if object_id is not None:
        change["object"] = object_id
    if data is not None:
        change["data"] = data
    return change


class Store:
    """An open store. Made by init(), open_read() and open_write()."""

    def __init__(self, handle: int) -> None:
        self._handle: Optional[int] = handle

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # The interpreter may be half gone; then the process ends, and the store with it.
        if getattr(self, "_handle", None) is not None and _library is not None:
            _library.ss_close(self._handle)

    def close(self) -> None:
        """Closes the store; a second time does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            _check(_lib().ss_close(handle))

    @property
    def sequence(self) -> int:
        """The highest sequence that reads show."""
        out = ctypes.c_uint64()
        _check(_lib().ss_sequence(self._handle, ctypes.byref(out)))
        return out.value

    def commit(self, changes: Iterable[Json], durable_only: bool = False) -> Json:
        """Commits changes, all or nothing, and returns the receipt. Raises RefusedError with the rule that refused."""
        document = json.dumps({"changes": list(changes)}, ensure_ascii=False)
        return json.loads(_ask(_lib().ss_commit, self._handle, *_bytes(document), 1 if durable_only else 0))

    def get(self, kind: str, record_id: str, at: int = 0) -> Json:
        """One record with its sequence, now or as of a sequence. Raises NotFoundError."""
        return json.loads(_ask(_lib().ss_get, self._handle, *_bytes(kind), *_bytes(record_id), at))

    def list(self, kind: str, after: Optional[str] = None) -> Iterator[Json]:
        """All records of a kind in the order of their identifiers."""
        while True:
            page = json.loads(_ask(_lib().ss_list, self._handle, *_bytes(kind), *_bytes(after), _PAGE))
            yield from page["records"]
            after = page["next"]
            if after is None:
                return

    def log(self, first: int = 1, object_id: Optional[str] = None, event_type: Optional[str] = None) -> Iterator[Json]:
        """Events from a sequence on, up to the newest when it gets there."""
        at: Optional[int] = first
        while at is not None:
            page = json.loads(_ask(_lib().ss_log, self._handle, at, _PAGE, *_bytes(object_id), *_bytes(event_type)))
            yield from page["events"]
            at = page["next"]

    def explain(self, object_id: str, at: int = 0) -> Json:
        """The eleven answers about an object."""
        return json.loads(_ask(_lib().ss_explain, self._handle, *_bytes(object_id), at))

    def status(self) -> Json:
        """The store at a glance."""
        return json.loads(_ask(_lib().ss_get_status, self._handle))

    def checkpoint(self) -> str:
        """Size and roots of log and records."""
        return _ask(_lib().ss_checkpoint, self._handle).decode()

    def prove_event(self, sequence: int, size: int = 0) -> bytes:
        """A proof that an event stands in the log of `size` frames; 0 for the whole log."""
        return _ask(_lib().ss_prove_event, self._handle, sequence, size)

    def prove_consistency(self, earlier: int, later: int) -> bytes:
        """A proof that the later log grew out of the earlier one."""
        return _ask(_lib().ss_prove_consistency, self._handle, earlier, later)


def _open(function: Any, *arguments: Any) -> Store:
    handle = ctypes.c_void_p()
    _check(function(*arguments, ctypes.byref(handle)))
    assert handle.value is not None
    return Store(handle.value)


def init(path: PathLike, profile: Optional[str] = None, profile_class: Optional[str] = None, device: Optional[str] = None, actor: Optional[str] = None) -> Store:
    """Creates a store, sets it up and opens it for writing."""
    return _open(_lib().ss_init, *_path(path), *_bytes(profile), *_bytes(profile_class), *_bytes(device), *_bytes(actor))


def open_read(path: PathLike, actor: Optional[str] = None, profile: Optional[str] = None) -> Store:
    """Opens a store for reading, beside whoever writes."""
    return _open(_lib().ss_open_read, *_path(path), *_bytes(actor), *_bytes(profile))


def open_write(path: PathLike, actor: Optional[str] = None, profile: Optional[str] = None) -> Store:
    """Opens a store for writing."""
    return _open(_lib().ss_open_write, *_path(path), *_bytes(actor), *_bytes(profile))


def verify(path: PathLike, level: str = "standard") -> Json:
    """Verifies a store that need not open; the report's `verdict` is clean, damaged or unsafe."""
    levels = {"quick": 0, "standard": 1}
    if level not in levels:
        raise ValueError(f"level is one of {', '.join(levels)}")
    buffer = _Buffer()
    status = _lib().ss_verify(*_path(path), levels[level], ctypes.byref(buffer))
    if buffer.data:
        return json.loads(_take(buffer))
    raise _fail(status)


def repair_plan(path: PathLike) -> Json:
    """What a repair would do; changes nothing."""
    return json.loads(_ask(_lib().ss_repair_plan, *_path(path)))


def repair_apply(path: PathLike, plan_hash: str, actor: Optional[str] = None, accept_loss: bool = False) -> Json:
    """Applies exactly that plan."""
    return json.loads(_ask(_lib().ss_repair_apply, *_path(path), *_bytes(plan_hash), *_bytes(actor), 1 if accept_loss else 0))


class BootResult:
    """What the boot check came to."""

    def __init__(self, exit_code: int, report: Json) -> None:
        self.exit_code = exit_code
        self.verdict: str = report.get("verdict", "review_required")
        self.reasons: List[Json] = report.get("reasons", [])
        self.report = report

    @property
    def verified(self) -> bool:
        """Whether a boot may rest on the store."""
        return self.exit_code == 0


def boot_check(path: PathLike, budget_ms: int = 0, root_key: Optional[str] = None, min_root: Optional[str] = None) -> BootResult:
    """Whether a boot may rest on a store; writes nothing and takes no lock."""
    verdict = ctypes.c_int(10)
    answer = _ask(_lib().ss_boot_check, *_path(path), budget_ms, *_bytes(root_key), *_bytes(min_root), ctypes.byref(verdict))
    return BootResult(verdict.value, json.loads(answer))
