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
    "repair-plan": ("sourceos.repair-plan.v1alpha1.schema.json", False),
    "workspace-state": ("workspace-operation-state.schema.json", False),
    "lampstand-evidence": ("sourceos.lampstand-evidence.v1alpha1.schema.json", False),
    "provenance": ("ProvenanceRecord.schema.json", True),
    "operation-log": ("LocalOperationLog.schema.json", True),
    "ops-history": ("OpsHistoryEvent.schema.json", True),
}

SYNCD_TYPES = {"add", "update", "delete", "checkpoint", "repair", "policy"}
SYNCD_SCHEMAS = {
    "profiles": "sourceos.profile-record/v1alpha1",
    "devices": "sourceos.device-record/v1alpha1",
    "actors": "sourceos.actor-record/v1alpha1",
    "schemas": "sourceos.schema-record/v1alpha1",
    "objects": "sourceos.object-record/v1alpha1",
    "indexes": "sourceos.index-record/v1alpha1",
    "repair-reports": "sourceos.repair-report/v1alpha1",
}
EFFECTS = ("toolAccess", "memoryAccess", "autonomousExecution", "routeEligibility", "egressMode")


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


def canonical_digest(value):
    return "sha256:" + hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8")).hexdigest()


def check_lampstand(path):
    """The artifact has the digest that the envelope states, and the identifier follows from it."""
    with open(path, encoding="utf-8") as file:
        envelope = json.load(file)
    assert canonical_digest(envelope["artifact"]) == envelope["artifact_digest"], "digest differs"
    seed = {key: envelope[key] for key in ("artifact_digest", "evidence_type", "subject", "writer")}
    assert envelope["evidence_id"] == "evidence-" + canonical_digest(seed)[7:27], "identifier differs"


def check_syncd(root):
    """What a reader of the layout relies on: a manifest with generations and lanes, whole journal lines of its types, one file a record."""
    with open(os.path.join(root, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    assert manifest["schema"] == "sourceos.local-state-store/v1alpha1" and manifest["backend"] == "lmdb+faster"
    assert manifest["active_generation"] >= 1 and manifest["last_known_good_generation"] >= 1
    identifiers = set()
    with open(os.path.join(root, "journal.jsonl"), "rb") as file:
        for line in file:
            assert line.endswith(b"\n"), "torn line"
            event = json.loads(line)
            assert event["event_type"] in SYNCD_TYPES and event["lane"] in manifest["lanes"] and event["applied"] is True
            identifiers.add(event["event_id"])
    assert identifiers, "no events"
    counts = {}
    for kind, schema in SYNCD_SCHEMAS.items():
        folder = os.path.join(root, kind)
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                record = json.load(file)
            assert record["schema"] == schema, f"{kind}/{name}: {record['schema']}"
            cleaned = "".join(ch if ch.isalnum() or ch in "-_." else "_" for ch in record["record_id"].strip()).strip(".")
            assert name in (cleaned + ".json",) or "~" in name, f"{kind}/{name} is not where its identifier leads"
        counts[kind] = len(names)
    assert counts["objects"] >= 3 and counts["actors"] >= 2 and counts["schemas"] >= 10 and counts["indexes"] == 5, counts
    return counts


def check_authority(root):
    """As agent-registry looks an actor up: by file name, then by its reference; exactly one answer."""
    found = {}
    for name in sorted(os.listdir(root)):
        assert name.startswith("agent-authority-current-state.") and name.endswith(".json"), name
        with open(os.path.join(root, name), encoding="utf-8") as file:
            record = json.load(file)
        assert record["schemaVersion"] == "agent-registry.agent-authority-current-state.v0.1" and record["recordType"] == "AgentAuthorityCurrentState"
        assert record["authority_status"] in ("active", "reduced", "suspended", "revoked")
        for reference in [record["effective_decision_ref"], *record["source_decision_refs"]]:
            assert reference.startswith("trustops-agent-authority-decision:"), reference
        assert record["evidenceRefs"] and record["receipt_hash"].startswith("sha256:")
        assert all(record["authorityEffects"][field] for field in EFFECTS)
        if record["authority_status"] in ("suspended", "revoked"):
            assert record["restoration_required"] is True and record["restoration_policy_ref"] and record["restoration_conditions"]
        if record["authority_status"] == "active":
            assert record["restoration_required"] is False
        assert record["agentRef"] not in found, "ambiguous"
        found[record["agentRef"]] = record["authority_status"]
    assert found.get("actor:bot") == "active" and found.get("actor:gone") == "revoked" and found.get("actor:sick") == "suspended" and found.get("actor:reader") == "reduced", found
    return found


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
    check_lampstand(os.path.join(exports, "lampstand-evidence"))
    print(f"syncd: {check_syncd(os.path.join(exports, 'syncd'))}")
    print(f"authority-state: {check_authority(os.path.join(exports, 'authority-state'))}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
