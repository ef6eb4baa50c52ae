#!/usr/bin/env bash
# Runs under the systemd of inside.sh and tries the unit there; writes a line for each thing to $1, and `end` when it came to its end.
set -u
results=$1
store=/var/lib/sourceos/state
socket=/run/statestored/http.sock
check() { # $1: what; the rest: a command that tells.
    local what=$1
    shift
    if said=$("$@" 2>&1); then echo "ok $what" >>"$results"; else { echo "not ok $what"; echo "$said" | tail -n 15 | sed 's/^/# /'; } >>"$results"; fi
}
until_true() { for _ in $(seq 1 150); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done; echo "never: $*"; systemctl --no-pager status statestored; return 1; }
property() { systemctl show -p "$1" --value statestored; }
get() { python3 -c '
import http.client, socket, sys
class Local(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(sys.argv[1])
door = Local("localhost")
door.request("GET", sys.argv[2])
answer = door.getresponse()
print(answer.status, answer.read().decode()[:300])
sys.exit(answer.status != 200)' "$socket" "$1"; }
is() { [ "$1" = "$2" ] || { echo "$1, not $2"; return 1; }; }
of_process() { grep "^$1:" "/proc/$(property MainPID)/status" | tr -s '\t ' ' ' | cut -d' ' -f2; }
as_user() { setpriv --reuid statestore --regid statestore --clear-groups env HOME=/tmp SOURCEOS_STATE_STORE=$store statestore "$@"; }

chown statestore:statestore /var/lib/sourceos
chmod 700 /var/lib/sourceos
check "a store is made by its user" as_user init --profile profile:home --profile-class personal
check "start waits until the daemon says that it is ready" systemctl start statestored
check "systemd calls it running" is "$(property SubState)" running
check "it answers on its socket" get /readyz
check "the socket is its user's alone" is "$(stat -c '%U %a' $socket)" "statestore 600"
check "it runs as its user" is "$(of_process Uid)" "$(id -u statestore)"
check "it has no capability" is "$(of_process CapEff)$(of_process CapBnd)" 00000000000000000000000000000000
check "it cannot gain privileges" is "$(of_process NoNewPrivs)" 1
check "its system calls are filtered" is "$(of_process Seccomp)" 2
first=$(property MainPID)
kill -9 "$first"
restarted() { [ "$(property NRestarts)" = "$1" ] && [ "$(property SubState)" = running ] && [ "$(property MainPID)" != "$2" ] && get /readyz; }
check "after kill -9 it is started again and answers" until_true restarted 1 "$first"

# A hang: a shorter watchdog, so that the test does not wait for half a minute.
mkdir -p /run/systemd/system/statestored.service.d
printf '[Service]\nWatchdogSec=3\n' >/run/systemd/system/statestored.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart statestored
sleep 8
check "a daemon that lives is left alone" is "$(property NRestarts) $(property SubState)" "0 running"
hung=$(property MainPID)
kill -STOP "$hung"
check "one that hangs is ended by the watchdog, started again and answers" until_true restarted 1 "$hung"

# The owner, with a policy that changes under it.
printf '[Service]\nExecStart=\nExecStart=/usr/bin/statestored --store %s --listen unix:%s --own --policy /etc/statestore/policy.json\n' "$store" "$socket" >/run/systemd/system/statestored.service.d/own.conf
python3 - <<'PYTHON'
import json
policy = json.load(open("/opt/statestore/default-policy.json"))
for version in ("1", "2"):
    policy["version"] = "test-" + version
    json.dump(policy, open(f"/etc/statestore/policy-{version}.json", "w"))
PYTHON
cp /etc/statestore/policy-1.json /etc/statestore/policy.json
chmod -R a+rX /etc/statestore
systemctl daemon-reload
check "the owner starts with a policy file" systemctl restart statestored
in_force() { as_user policy show --json 2>/dev/null | grep -q "\"test-$1\""; }
check "the policy comes into force" until_true in_force 1
cp /etc/statestore/policy-2.json /etc/statestore/policy.next && chmod a+r /etc/statestore/policy.next && mv /etc/statestore/policy.next /etc/statestore/policy.json
check "a changed policy comes into force without a restart" until_true in_force 2
check "and there was none" is "$(property NRestarts)" 0
check "it stops when it is asked to" systemctl stop statestored
check "cleanly" is "$(property Result) $(property ExecMainStatus)" "success 0"
check "what it left is verified by the boot check" as_user boot-check
echo end >>"$results"
