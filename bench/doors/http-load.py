#!/usr/bin/env python3
"""How a writer fares beside the HTTP door: alone, beside an idle daemon, beside clients that ask as fast as they are let, and beside 1,000 slow clients; and what the daemon is left with afterwards.

Usage: http-load.py PREFIX DAEMON [SECONDS]   (PREFIX: where install.sh put the C library; DAEMON: the program statestored; 5 seconds for each measurement)
Needs gcc and python3 and installs nothing. Ends with 1 when anything was left behind or a good request was not answered.
"""
import http.client
import os
import resource
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time

SLOW = 1000
WRITER = r"""
#include <sourceos_statestore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#define TEXT(t) (t), strlen(t)
/* Commits one object after another, each on the medium before the next, and prints how many there were in a second. */
int main(int count, char **arguments)
{
    ss_store *store = NULL;
    ss_buffer answer = {0};
    if (count != 3) return 2;
    if (ss_open_write(TEXT(arguments[1]), NULL, 0, NULL, 0, &store) != SS_OK && ss_init(TEXT(arguments[1]), NULL, 0, NULL, 0, NULL, 0, NULL, 0, &store) != SS_OK) return 3;
    double seconds = atof(arguments[2]), spent = 0;
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    long commits = 0;
    while (spent < seconds) {
        char changes[512];
        snprintf(changes, sizeof changes, "{\"changes\":[{\"put\":{\"schema\":\"sourceos.object-record/v1alpha1\",\"object_id\":\"note:%ld\",\"object_type\":\"note\",\"profile_id\":\"profile:personal\",\"title\":\"title %ld\"}}]}", commits % 1000, commits);
        if (ss_commit(store, TEXT(changes), SS_WAIT_VISIBLE, &answer) != SS_OK) return 4;
        ss_buffer_free(&answer);
        commits++;
        clock_gettime(CLOCK_MONOTONIC, &now);
        spent = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
    }
    printf("%.0f\n", (double)commits / spent);
    return ss_close(store) == SS_OK ? 0 : 5;
}
"""
ENDPOINTS = ["/healthz", "/readyz", "/statez", "/metrics", "/events?limit=100&order=desc", "/events/1", "/events/1/explain", "/objects/note:1", "/objects/note:1/explain", "/"]


class Daemon:
    def __init__(self, program, store):
        self.process = subprocess.Popen([program, "--store", store, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("Listening on http://127.0.0.1:"):
            sys.exit(f"The daemon did not start: {line}")
        self.port = int(line.strip().rsplit(":", 1)[1])

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def has(self):
        """Descriptors, threads, and KiB of memory that is nobody's file."""
        pid = self.process.pid
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            status = dict(line.split(":", 1) for line in file if ":" in line)
        return len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"]), int(status["RssAnon"].split()[0])


def slow_clients(daemon, stop, counts):
    """Each sends one byte of its request a second; who is thrown out is there again a second later, so that what is measured is the door and not this program."""
    poller, clients, sent = select.poll(), {}, 0

    def connect():
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", daemon.port))
        clients[client.fileno()] = client
        poller.register(client, select.POLLIN | select.POLLHUP | select.POLLERR)

    for _ in range(SLOW):
        connect()
    counts["most"] = len(clients)
    while not stop.is_set():
        for number in list(clients):
            try:
                clients[number].send(b"GET /healthz HTTP/1.1\r\nX-Slow: "[sent % 32:sent % 32 + 1])
            except OSError:
                # Not connected yet, or thrown out: the poll below tells which.
                pass
        sent += 1
        stop.wait(1)
        for number, _ in poller.poll(0):
            try:
                gone = clients[number].recv(4096) == b""
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            if gone:
                poller.unregister(number)
                clients.pop(number).close()
                counts["thrown out"] = counts.get("thrown out", 0) + 1
                connect()
    for client in clients.values():
        client.close()


def asking(daemon, stop, counts):
    at = 0
    while not stop.is_set():
        try:
            status = daemon.get(ENDPOINTS[at % len(ENDPOINTS)])
        except (OSError, http.client.HTTPException):
            status = "no answer"
        counts[status] = counts.get(status, 0) + 1
        at += 1


def hostile(daemon):
    """What is too large is refused while it comes, whatever it is."""
    wrong = []
    for name, head, more in (("headers", b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X: " + b"a" * 8000 + b"\r\n"), ("line", b"GET /", b"a" * 8192), ("body", b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n", b"b" * 65536),
                             ("chunks", b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"c" * 65536 + b"\r\n")):
        sent, answer = 0, b""
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as client:
            try:
                client.sendall(head)
                while sent < 64 << 20:
                    client.sendall(more)
                    sent += len(more)
            except OSError:
                pass
            try:
                answer = client.recv(4096)
            except OSError:
                pass
        if sent >= 64 << 20 or not (answer == b"" or answer.startswith(b"HTTP/1.1 4")):
            wrong.append(f"{name}: took {sent} bytes, answered {answer[:40]!r}")
    return wrong


def main(arguments):
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    prefix, program, seconds = arguments[0], arguments[1], float(arguments[2]) if len(arguments) == 3 else 5.0
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    wrong = []
    with tempfile.TemporaryDirectory() as work:
        source, writer, store = os.path.join(work, "writer.c"), os.path.join(work, "writer"), os.path.join(work, "store")
        with open(source, "w", encoding="ascii") as file:
            file.write(WRITER)
        subprocess.run(["gcc", "-O1", f"-I{prefix}/include", source, f"-L{prefix}/lib", "-lsourceos_statestore", f"-Wl,-rpath,{prefix}/lib", "-o", writer], check=True)

        def write():
            return int(subprocess.run([writer, store, str(seconds)], check=True, stdout=subprocess.PIPE, text=True).stdout)

        def beside(target, daemon):
            stop, counts = threading.Event(), {}
            thread = threading.Thread(target=target, args=(daemon, stop, counts))
            thread.start()
            time.sleep(0.5)
            rate = write()
            stop.set()
            thread.join()
            return rate, counts

        write()
        rows = [("alone", write(), "")]
        daemon = Daemon(program, store)
        for path in ENDPOINTS:
            status = daemon.get(path)
            if status != 200:
                wrong.append(f"{path} answered {status}")
        rows.append(("an idle daemon", write(), ""))
        rate, counts = beside(asking, daemon)
        rows.append(("one client that never stops asking", rate, ", ".join(f"{count} x {status}" for status, count in sorted(counts.items(), key=str))))
        wrong += [f"a good request: {status}" for status in counts if status not in (200, 429)]
        before = daemon.has()
        rate, counts = beside(slow_clients, daemon)
        rows.append((f"{SLOW} slow clients", rate, f"{counts.get('thrown out', 0)} thrown out"))
        wrong += hostile(daemon)
        for _ in range(60):
            after = daemon.has()
            if after[0] <= before[0] + 4:
                break
            time.sleep(1)
        if after[0] > before[0] + 4 or after[2] > before[2] + 65536:
            wrong.append(f"the daemon had {before} (descriptors, threads, KiB) and has {after}")
        if daemon.get("/readyz") != 200:
            wrong.append("the daemon does not answer any more")
        rows.append(("the same, a moment later, alone with the daemon", write(), f"daemon: {before[0]} then {after[0]} descriptors, {before[1]} then {after[1]} threads, {before[2] >> 10} then {after[2] >> 10} MiB"))
        daemon.process.terminate()
        if daemon.process.wait(60) != 0:
            wrong.append("the daemon did not stop cleanly")
    print("| a writer beside | commits a second | of alone | |\n|---|---|---|---|")
    for name, rate, note in rows:
        print(f"| {name} | {rate} | {rate / rows[0][1]:.2f} | {note} |")
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
