#!/usr/bin/env python3
"""What the boot check costs on stores of 1,000, 100,000 and 1,000,000 objects when nothing of them is in memory, beside `ostree fsck` on the same content.

Usage: bootcheck.py BOOTCHECK STATESTORE [OBJECTS,... [DIRECTORY]]   (two programs; default 1000,100000,1000000; what lies in DIRECTORY already is measured, and the rest made there and kept;
       --make only makes it, --ostree-up-to=N leaves ostree out beyond N objects, whose repository takes many minutes to make)
For each store, 16 of whose objects are tagged boot-critical: bytes read by system calls, pages of 4 KiB that those reads touch (strace), pages of the store that are in memory afterwards, which counts what the kernel read ahead (mincore), time from start to end (median of 5), anonymous memory at the end, major faults.
Needs root to empty the page cache; without, pages are dropped file by file. Installs nothing and says what it lacks: without the program `ostree` its rows stay out.
"""
import ctypes
import json
import mmap
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

PAGE = 4096
RUNS = 5
TAGGED = 16
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
LIBC.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
PTRACE_TRACEME, PTRACE_CONT, PTRACE_SETOPTIONS, PTRACE_O_TRACEEXIT, PTRACE_EVENT_EXIT = 0, 7, 0x4200, 0x40, 6


def files_below(path):
    for folder, _, names in os.walk(path):
        for name in names:
            yield os.path.join(folder, name)


def forget(paths):
    """Nothing of these files stays in memory."""
    os.sync()
    for path in paths:
        for file in files_below(path) if os.path.isdir(path) else [path]:
            with open(file, "rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3")
    except OSError:
        pass


def resident(path):
    """Pages of the files below a path that are in memory."""
    pages = 0
    for file in files_below(path):
        size = os.path.getsize(file)
        if size == 0:
            continue
        with open(file, "rb") as opened:
            at = LIBC.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, opened.fileno(), 0)
            seen = ctypes.create_string_buffer((size + PAGE - 1) // PAGE)
            if at in (None, ctypes.c_void_p(-1).value) or LIBC.mincore(at, size, seen) != 0:
                sys.exit(f"mincore failed on {file}")
            pages += sum(byte & 1 for byte in seen.raw)
            LIBC.munmap(at, size)
    return pages


def run(command, allowed=(0,)):
    """Runs a program, stops it at its end, and reads what it used before it is gone."""
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        LIBC.ptrace(PTRACE_TRACEME, 0, None, None)
        try:
            os.execv(command[0], command)
        finally:
            os._exit(127)
    os.waitpid(pid, 0)
    LIBC.ptrace(PTRACE_SETOPTIONS, pid, None, PTRACE_O_TRACEEXIT)
    used, code = {}, 0
    LIBC.ptrace(PTRACE_CONT, pid, None, None)
    while True:
        _, status, usage = os.wait4(pid, 0)
        if os.WIFSTOPPED(status):
            passed_on = os.WSTOPSIG(status)
            if status >> 8 == signal.SIGTRAP | PTRACE_EVENT_EXIT << 8:
                passed_on = 0
                used["seconds"] = time.perf_counter() - started
                with open(f"/proc/{pid}/io", encoding="ascii") as file:
                    used["read"] = int(dict(line.split(": ") for line in file)["rchar"])
                with open(f"/proc/{pid}/status", encoding="ascii") as file:
                    used["anonymous"] = int(dict(line.split(":", 1) for line in file if ":" in line)["RssAnon"].split()[0]) << 10
            LIBC.ptrace(PTRACE_CONT, pid, None, passed_on)
            continue
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        used["faults"] = usage.ru_majflt
        break
    if code not in allowed:
        sys.exit(f"{' '.join(command)} ended with {code}")
    return used


def touched(command, path):
    """Different pages below a path that a program's positional reads ask for."""
    with tempfile.NamedTemporaryFile("r") as log:
        subprocess.run(["strace", "-f", "-y", "-e", "trace=pread64", "-e", "signal=none", "-s", "0", "-o", log.name, *command], check=True, stdout=subprocess.DEVNULL)
        pages = set()
        for line in log:
            match = re.search(r"pread64\(\d+<(.*?)>, .*, (\d+), (\d+)\) = (\d+)", line)
            if match and match[1].startswith(path):
                first, count = int(match[3]), int(match[4])
                pages.update((match[1], page) for page in range(first // PAGE, (first + max(count, 1) - 1) // PAGE + 1))
    return len(pages)


def record(number, objects):
    every = max(1, objects // TAGGED)
    tags = ["boot-critical"] if number % every == every // 2 and number // every < TAGGED else []
    return {"schema": "sourceos.object-record/v1alpha1", "object_id": f"object:{number:07}", "object_type": "note", "profile_id": "profile:personal", "title": f"title {number}", "path": f"notes/{number}", "policy_tags": tags}


def make(work, objects, statestore):
    store, lines = os.path.join(work, f"store-{objects}"), os.path.join(work, f"records-{objects}.ndjson")
    if os.path.exists(store):
        return store
    with open(lines, "w", encoding="ascii") as file:
        for number in range(objects):
            file.write(json.dumps(record(number, objects)) + "\n")
    subprocess.run([statestore, "--store", store, "init", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([statestore, "--store", store, "import", lines, "--batch", "1000", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    os.unlink(lines)
    return store


def make_ostree(work, objects, ostree):
    """The same documents as files, committed to a repository."""
    tree, repository = os.path.join(work, f"tree-{objects}"), os.path.join(work, f"ostree-{objects}")
    if os.path.exists(repository):
        return repository
    for number in range(objects):
        if number % 1000 == 0:
            folder = os.path.join(tree, str(number // 1000))
            os.makedirs(folder)
        with open(os.path.join(folder, str(number)), "w", encoding="ascii") as file:
            json.dump(record(number, objects), file)
    subprocess.run([ostree, "init", f"--repo={repository}", "--mode=bare-user"], check=True)
    subprocess.run([ostree, "commit", f"--repo={repository}", "--branch=content", "--subject=content", f"--tree=dir={tree}"], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return repository


def measure(command, path, program, runs):
    found = []
    for _ in range(runs):
        forget([path, program])
        used = run(command)
        used["pages"] = resident(path)
        found.append(used)
    middle = {key: statistics.median(used[key] for used in found) for key in found[0]}
    if runs > 1 and shutil.which("strace"):
        middle["touched"] = touched(command, path)
    return middle


def row(name, objects, path, used):
    size = sum(os.path.getsize(file) for file in files_below(path))
    print(f"| {name} | {objects:,} | {size / 1e6:,.1f} MB | {used['read'] / 1e6:,.2f} MB | {used.get('touched', '-')} | {used['pages']:,.0f} | {used['faults']:.0f} | {used['seconds'] * 1000:,.0f} ms | {used['anonymous'] / 2**20:.1f} MiB |", flush=True)


def main(arguments):
    makes_only = "--make" in arguments
    most = next((int(word.split("=")[1]) for word in arguments if word.startswith("--ostree-up-to=")), 1 << 62)
    arguments = [word for word in arguments if not word.startswith("--")]
    if len(arguments) not in (2, 3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    bootcheck, statestore = (os.path.abspath(path) for path in arguments[:2])
    counts = [int(count) for count in (arguments[2] if len(arguments) > 2 else "1000,100000,1000000").split(",")]
    ostree = shutil.which("ostree")
    if ostree is None:
        print("ostree is not installed (Debian package ostree); its rows are left out.", file=sys.stderr)
    if os.geteuid() != 0:
        print("Not root: the page cache is emptied file by file, which leaves directories and inodes in memory.", file=sys.stderr)
    print(f"statestore-bootcheck: {os.path.getsize(bootcheck):,} bytes\n")
    print("| check | objects | on disk | read | pages touched | pages in memory | major faults | time | anonymous memory |\n|---|---|---|---|---|---|---|---|---|", flush=True)
    quick = []
    for objects in counts:
        with tempfile.TemporaryDirectory() as temporary:
            work = arguments[3] if len(arguments) == 4 else temporary
            store = make(work, objects, statestore)
            if makes_only:
                _ = ostree is None or objects > most or make_ostree(work, objects, ostree)
                continue
            # The quick level alone; a small store would have time for the standard level as well, and its cost is the store's size.
            used = measure([bootcheck, "--store", store, "--quick"], store, bootcheck, RUNS)
            quick.append(used.get("touched", used["pages"]))
            row("statestore-bootcheck, quick", objects, store, used)
            used = measure([bootcheck, "--store", store], store, bootcheck, RUNS)
            row("statestore-bootcheck, as a boot runs it", objects, store, used)
            if ostree is not None and objects <= most:
                repository = make_ostree(work, objects, ostree)
                row("ostree fsck", objects, repository, measure([ostree, "fsck", f"--repo={repository}", "--quiet"], repository, ostree, 1))
    if makes_only:
        return 0
    # A log's last page is read to its end, up to 1,024 pages of 4 KiB whatever the store's size, so a small store may touch more than a large one.
    print(f"\nPages touched by the quick level: the most are {max(quick) / min(quick):.2f} times the fewest, and {max(quick) / quick[0]:.2f} of the smallest store's; the aim is 1.5 for the first")
    return 0 if max(quick) <= 1.5 * min(quick) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
