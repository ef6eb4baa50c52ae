"""Checks exports with tools that are not the project's own: python3-jsonschema, and a journal verifier written from the format's description.

Usage: validate_exports.py EXPORTS SCHEMAS. Prints one line for each format and ends with 1 when anything is wrong.
"""
import hashlib
import json
import os
import sys

import jsonschema

FORMATS = {
    "integrity-report": ("sourceos.state-integrity-report.v1alpha1.schema.json", False),
    "trust-gate": ("substrate-trust-gate.schema.v0.1.json", False),
    "node-state": ("NodeStateSchema.schema.json", False),
    "events": ("sourceos.event.v0.1.schema.json", True),
    "conflicts": ("SyncConflictRecord.schema.json", True),
    "stale-records": ("StaleStateRecord.schema.json", True),
    "storms": ("DiagnosticStormRecord.schema.json", True),
}


def documents(path, is_lines):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return [json.loads(line) for line in text.splitlines()] if is_lines else [json.loads(text)]


def check_journal(path):
    previous = "sha256:" + "0" * 64
    count = 0
    with open(path, "rb") as file:
        for line in file:
            assert line.endswith(b"\n"), "torn line"
            entry = json.loads(line)
            stated = entry.pop("event_hash")
            assert entry["previous_hash"] == previous, "chain broken"
            canonical = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
            previous = "sha256:" + hashlib.sha256(canonical.encode("ascii")).hexdigest()
            assert previous == stated, "hash differs"
            count += 1
    return count


def main(exports, schemas):
    bad = 0
    for name, (schema, is_lines) in FORMATS.items():
        with open(os.path.join(schemas, schema), encoding="utf-8") as file:
            validator = jsonschema.Draft202012Validator(json.load(file))
        found = documents(os.path.join(exports, name), is_lines)
        errors = [error.message for document in found for error in validator.iter_errors(document)]
        bad += len(errors)
        print(f"{name}: {len(found)} documents, {len(errors)} errors {errors[:2]}")
    events = documents(os.path.join(exports, "events"), True)
    if len({event["event_id"] for event in events}) != len(events):
        bad += 1
        print("events: identifiers are not unique")
    print(f"evidence-journal: {check_journal(os.path.join(exports, 'evidence-journal'))} entries")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
