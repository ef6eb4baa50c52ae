#!/usr/bin/env python3
"""A second reader of a store, written from the pages of this folder alone.

It exists to hold the pages to their word: it shares no code with the engine, reads every byte of a store with plain file
reads, and checks what the pages say can be checked. It trusts nothing that it reads and changes nothing.

    read.py STORE            check everything, print a summary as one JSON object
    read.py STORE --records  then print one JSON line for each live record of the state
    read.py STORE --events   then print one JSON line for each event of the log

Exit code 0: everything that was checked holds. 1: something does not; the findings are in the summary.
"""
import ctypes
import hashlib
import json
import os
import struct
import sys


# --- checksums.md -------------------------------------------------------------------------------------------------------

class _Pair(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


_xxh = ctypes.CDLL("libxxhash.so.0")
_xxh.XXH3_64bits_withSeed.restype = ctypes.c_uint64
_xxh.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
_xxh.XXH3_128bits_withSeed.restype = _Pair
_xxh.XXH3_128bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]

_CRC = []
for _n in range(256):
    _c = _n
    for _ in range(8):
        _c = (_c >> 1) ^ (0x82F63B78 if _c & 1 else 0)
    _CRC.append(_c)


def crc32c(data):
    c = 0xFFFFFFFF
    for byte in data:
        c = (c >> 8) ^ _CRC[(c ^ byte) & 0xFF]
    return c ^ 0xFFFFFFFF


def xxh64(seed, data):
    return _xxh.XXH3_64bits_withSeed(data, len(data), seed)


def xxh128(seed, data):
    pair = _xxh.XXH3_128bits_withSeed(data, len(data), seed)
    return (pair.high << 64) | pair.low


def tagged64(identity, data):
    return xxh64(xxh64(0, identity), data)


def tagged128(identity, data):
    return xxh128(xxh64(0, identity), data)


def sha256(data):
    return hashlib.sha256(data).digest()


def tree_root(leaf_hashes):
    if not leaf_hashes:
        return sha256(b"")
    if len(leaf_hashes) == 1:
        return leaf_hashes[0]
    k = 1 << ((len(leaf_hashes) - 1).bit_length() - 1)
    return sha256(b"\x01" + tree_root(leaf_hashes[:k]) + tree_root(leaf_hashes[k:]))


def frontier_of(leaf_hashes):
    roots, start = [], 0
    for bit in reversed(range(48)):
        if len(leaf_hashes) >> bit & 1:
            roots.append(tree_root(leaf_hashes[start:start + (1 << bit)]))
            start += 1 << bit
    return roots


def u16(b, o):
    return struct.unpack_from("<H", b, o)[0]


def u32(b, o):
    return struct.unpack_from("<I", b, o)[0]


def u64(b, o):
    return struct.unpack_from("<Q", b, o)[0]


def i64(b, o):
    return struct.unpack_from("<q", b, o)[0]


class Damage(Exception):
    """Something does not hold; the text says what and where."""


def need(condition, text):
    if not condition:
        raise Damage(text)


def zero(data, text):
    need(not any(data), f"{text}: reserved bytes are not zero")


def text_of(data, what):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Damage(f"{what}: not UTF-8") from error


def identifier(data, what):
    text = text_of(data, what)
    need(1 <= len(data) <= 255, f"{what}: {len(data)} bytes")
    need(not any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in text), f"{what}: control character")
    return text


# --- superblock.md ------------------------------------------------------------------------------------------------------

def read_superblock_slot(b, index):
    need(len(b) == 4096, "superblock slot: short")
    need(crc32c(b[:4092]) == u32(b, 4092), f"superblock slot {index}: checksum")
    need(b[:8] == b"SOSTATE1", f"superblock slot {index}: magic")
    need(u16(b, 8) == 1 and u16(b, 10) == 1, f"superblock slot {index}: version")
    zero(b[12:16], "superblock flags")
    s = {
        "id": b[16:32], "counter": u64(b, 32), "generation": u64(b, 40), "created": i64(b, 48),
        "page_bits": b[56], "segment_bits": b[57], "base_address": u64(b, 64), "base_frame": u64(b, 72),
        "base_sequence": u64(b, 80), "base_head": b[88:120], "base_digest": b[120:152], "writer": b[1696:1760].rstrip(b"\0"),
    }
    zero(b[58:64], "superblock [58, 64)")
    zero(b[154:160], "superblock [154, 160)")
    zero(b[1760:4092], "superblock [1760, 4092)")
    need(s["counter"] >= 1 and s["counter"] % 2 == index and s["generation"] >= 1, f"superblock slot {index}: counter")
    need(16 <= s["page_bits"] <= 26 and 17 <= s["segment_bits"] <= 30 and s["segment_bits"] >= s["page_bits"], "superblock: bits")
    count = u16(b, 152)
    need(count == bin(s["base_frame"]).count("1"), "superblock: frontier count")
    s["frontier"] = [b[160 + 32 * i:192 + 32 * i] for i in range(count)]
    zero(b[160 + 32 * count:1696], "superblock frontier")
    if s["base_frame"] == 0:
        need(s["base_head"] == sha256(b"sourceos-statestore-genesis-v1" + s["id"]), "superblock: genesis hash")
        need(s["base_address"] == 64 and s["base_sequence"] == 1 and not any(s["base_digest"]), "superblock: base")
    else:
        need(s["base_sequence"] > s["base_frame"] and any(s["base_digest"]), "superblock: base")
    return s


def read_superblock(path, findings):
    with open(os.path.join(path, "STORE"), "rb") as f:
        data = f.read(8193)
    need(len(data) == 8192, f"STORE: {len(data)} bytes")
    slots = []
    for index in range(2):
        try:
            slots.append(read_superblock_slot(data[4096 * index:4096 * index + 4096], index))
        except Damage as damage:
            findings.append(str(damage))
    need(slots, "STORE: no valid slot")
    return max(slots, key=lambda s: s["counter"])


# --- segments.md --------------------------------------------------------------------------------------------------------

class Segment:
    def __init__(self, path, number, sb):
        size = 1 << sb["segment_bits"]
        with open(path, "rb") as f:
            data = f.read(32768 + size + 1)
        need(len(data) == 32768 + size, f"{path}: {len(data)} bytes")
        h = data[:4096]
        need(crc32c(h[:4092]) == u32(h, 4092) and h[:8] == b"SOSEGMT1", f"{path}: header")
        need(u16(h, 8) == 1 and u16(h, 10) == 1, f"{path}: version")
        need(h[16:32] == sb["id"] and u64(h, 32) == number and u64(h, 40) == number * size, f"{path}: identity")
        need(h[48] == sb["page_bits"] and h[49] == sb["segment_bits"] and u64(h, 64) >= 1, f"{path}: fields")
        zero(h[12:16] + h[50:56] + h[72:4092], path + " header")
        zero(data[20480:32768], path + " [20480, 32768)")
        self.data = memoryview(data)[32768:]
        self.slots = []
        self.bad_slots = []
        for index in range(2):
            raw = data[4096 + 8192 * index:12288 + 8192 * index]
            if any(raw):
                try:
                    self.slots.append(read_slot(raw, index, number, sb))
                except Damage as damage:
                    self.bad_slots.append(f"{path}: {damage}")


def read_slot(b, index, number, sb):
    need(crc32c(b[:4092]) == u32(b, 4092) and b[:8] == b"SOTAILS1", f"slot {index}: checksum or magic")
    need(u16(b, 8) == 1 and u16(b, 10) == index and u32(b, 12) in (0, 1), f"slot {index}: version, index or flags")
    need(b[16:32] == sb["id"] and u64(b, 32) == number, f"slot {index}: identity")
    zero(b[160:4092], f"slot {index}")
    s = {
        "clean": u32(b, 12) == 1, "generation": u64(b, 40), "durable_before": u64(b, 48), "tail": u64(b, 56), "frames": u64(b, 64),
        "last_sequence": u64(b, 72), "epoch": u64(b, 80), "head": b[88:120], "block_address": u64(b, 128), "block_length": u32(b, 136),
    }
    need(64 <= s["durable_before"] <= s["tail"] and (s["tail"] - 1) >> sb["segment_bits"] == number, f"slot {index}: positions")
    need(s["last_sequence"] >= s["frames"] and (s["frames"] > 0 or s["last_sequence"] == 0) and s["epoch"] >= 1, f"slot {index}: counts")
    need(s["block_address"] == s["tail"] // 4096 * 4096 and s["block_length"] == s["tail"] - s["block_address"], f"slot {index}: block")
    copy = b[4096:4096 + s["block_length"]]
    s["copy_valid"] = crc32c(struct.pack("<Q", s["block_address"]) + copy) == u32(b, 140) and not any(b[4096 + s["block_length"]:])
    return s


# --- frames.md and events.md --------------------------------------------------------------------------------------------

LANES = {1: "normal", 2: "priority", 3: "secure", 4: "ephemeral", 5: "memory", 6: "policy", 7: "audit", 8: "tombstone", 9: "migration", 10: "repair", 11: "archive"}
NONE, PUT, TOMBSTONE, PURGE = 1, 2, 3, 4


def lz4_block(block, limit):
    """One LZ4 block, decoded as its format page describes: token, literals, offset, match."""
    out, i = bytearray(), 0
    while True:
        need(i < len(block), "LZ4: ends early")
        token = block[i]
        i += 1
        length = token >> 4
        if length == 15:
            while True:
                need(i < len(block), "LZ4: ends early")
                length += block[i]
                i += 1
                if block[i - 1] != 255:
                    break
        need(i + length <= len(block) and len(out) + length <= limit, "LZ4: literals")
        out += block[i:i + length]
        i += length
        if i == len(block):
            return bytes(out)
        need(i + 2 <= len(block), "LZ4: offset")
        offset = u16(block, i)
        i += 2
        need(0 < offset <= len(out), "LZ4: offset")
        length = (token & 15) + 4
        if length == 19:
            while True:
                need(i < len(block), "LZ4: ends early")
                length += block[i]
                i += 1
                if block[i - 1] != 255:
                    break
        need(len(out) + length <= limit, "LZ4: match")
        for _ in range(length):
            out.append(out[-offset])


def raw_body(area, frame_number):
    codec, flags = area[0], area[1]
    need(codec in (1, 2) and flags in (0, 1) and not any(area[2:4]), "body: head")
    stored, raw = u32(area, 4), u32(area, 8)
    need(16 + stored <= len(area) and raw <= 2097152, "body: lengths")
    zero(area[16 + stored:], "body padding")
    data = area[16:16 + stored]
    need(crc32c(struct.pack("<Q", frame_number) + area[:12] + data) == u32(area, 12), "body: checksum")
    if codec == 1:
        need(stored == raw, "body: raw length")
        return data, flags
    out, i = bytearray(), 0
    while len(out) < raw:
        need(i + 4 <= len(data), "body: chunk")
        n = u32(data, i)
        want = min(65536, raw - len(out))
        need(i + 4 + n <= len(data), "body: chunk")
        chunk = lz4_block(data[i + 4:i + 4 + n], want)
        need(len(chunk) == want, "body: chunk length")
        out += chunk
        i += 4 + n
    need(i == len(data), "body: bytes behind the last chunk")
    return bytes(out), flags


def read_event(b, expected_sequence):
    need(len(b) >= 65 and b[0] == 1 and b[1] in LANES and NONE <= b[2] <= PURGE, "event: head")
    kind = b[3]
    need(kind == 0 or kind in KINDS, "event: subject kind")
    need(u32(b, 4) == len(b) and u64(b, 8) == expected_sequence, "event: length or sequence")
    previous, at, flags = u64(b, 16), i64(b, 24), u16(b, 32)
    lengths = [u16(b, 34), u16(b, 36), u16(b, 38), u16(b, 40), u16(b, 42), u16(b, 44), u16(b, 46), u32(b, 48), u32(b, 52)]
    zero(b[56:64], "event")
    need(64 + sum(lengths) == len(b) and 1 <= lengths[0] <= 128 and previous < expected_sequence, "event: lengths")
    parts, i = [], 64
    for n in lengths:
        parts.append(b[i:i + n])
        i += n
    names = ["type", "actor", "device", "profile", "workspace", "subject", "decision"]
    event = {"sequence": expected_sequence, "lane": LANES[b[1]], "action": b[2], "kind": kind, "previous": previous, "at": at, "boot_critical": flags == 1}
    for name, part in zip(names, parts):
        event[name] = (identifier(part, "event " + name) if part and name != "type" else text_of(part, "event " + name))
    need((kind == 0) == (event["subject"] == ""), "event: subject")
    event["data"], event["image"] = parts[7], parts[8]
    need(flags in (0, 1) and (flags == 0 or parts[8]), "event: image flags")
    need(bool(parts[8]) == (b[2] in (PUT, TOMBSTONE)), "event: image")
    if kind == 0:
        need(b[2] == NONE and previous == 0, "event: without subject")
    if event["data"]:
        json.loads(event["data"].decode("utf-8"))
    return event


def read_frame(entry, address, sb):
    h = entry[:256]
    need(len(h) == 256 and h[:4] == b"SSFR" and u16(h, 4) == 256 and u16(h, 6) == 1, "frame: head")
    need(crc32c(h[:252]) == u32(h, 252), "frame: header checksum")
    f = {
        "last": u32(h, 8) == 1, "count": u32(h, 12), "epoch": u64(h, 32), "number": u64(h, 40), "commit": u64(h, 48), "index": u32(h, 56),
        "first": u64(h, 64), "address": u64(h, 72), "time": i64(h, 80), "durable": u64(h, 88), "previous": h[96:128], "root": h[128:160],
        "hash": sha256(h), "length": len(entry),
    }
    need(u32(h, 8) in (0, 1) and 1 <= f["count"] <= 16384 and h[16:32] == sb["id"], "frame: fields")
    zero(h[60:64] + h[164:252], "frame")
    need(f["address"] == address and f["durable"] <= f["number"], "frame: address")
    n, area = f["count"], u32(h, 160)
    need(area % 4 == 0 and area > 16 and len(entry) == 256 + 32 * n + area, "frame: length")
    leaves = [entry[256 + 32 * i:288 + 32 * i] for i in range(n)]
    need(tree_root(leaves) == f["root"], "frame: events root")
    raw, flags = raw_body(entry[256 + 32 * n:], f["number"])
    events, i, erased = [], 4 * n, False
    need(len(raw) >= 4 * n, "frame: directory")
    for k in range(n):
        word = u32(raw, 4 * k)
        length = word & 0x7FFFFFFF
        part = raw[i:i + length]
        need(81 <= length == len(part), "frame: entry length")
        i += length
        if word >> 31:
            zero(part, "erased entry")
            erased = True
            events.append({"sequence": f["first"] + k, "erased": True})
        else:
            need(sha256(b"\0" + part) == leaves[k], f"event {f['first'] + k}: leaf hash")
            events.append(read_event(part[16:], f["first"] + k))
    need(i == len(raw) and erased == (flags == 1), "frame: body end")
    f["events"] = events
    return f


def read_log(path, sb, findings):
    """Yields whole frames in order; what ends the log goes to the findings when it is not plain zeroes."""
    segment_size, page = 1 << sb["segment_bits"], 1 << sb["page_bits"]
    segments, names = {}, sorted(os.listdir(os.path.join(path, "events")))
    for name in names:
        if name.startswith("segment-") and name.endswith(".log"):
            number = int(name[8:-4])
            try:
                segments[number] = Segment(os.path.join(path, "events", name), number, sb)
                findings += segments[number].bad_slots
            except Damage as damage:
                findings.append(str(damage))

    def at(address, length):
        segment = segments.get(address // segment_size)
        if segment is None:
            return None
        offset = address % segment_size
        return bytes(segment.data[offset:offset + length])

    frames, t, previous = [], sb["base_address"], None
    if t == 64:
        first = at(0, 64)
        if first is not None:
            zero(first, "log address 0")
    while True:
        word = at(t, 4)
        if word is None:
            break
        length = struct.unpack("<i", word)[0]
        room = page - t % page
        if length == 0 and t % page:
            filler = at(t, room)
            following = at(t + room, 4)
            if following is None or struct.unpack("<i", following)[0] == 0:
                break
            zero(filler, f"filler at {t}")
            t += room
            continue
        if length == 0:
            break
        try:
            need(0 < length <= (page - 68 if t % page == 0 else room - 4), f"length {length}")
            frame = read_frame(at(t + 4, length), t, sb)
            zero(at(t + 4 + length, -length % 4), "bytes behind the frame")
            if previous is None:
                need(frame["number"] == sb["base_frame"] and frame["first"] == sb["base_sequence"] and frame["previous"] == sb["base_head"] and frame["index"] == 0, "first frame")
                need(frame["number"] != 0 or frame["commit"] == 1, "first commit id")
            else:
                p = previous
                need(frame["number"] == p["number"] + 1 and frame["first"] == p["first"] + p["count"] and frame["previous"] == p["hash"] and frame["epoch"] >= p["epoch"], "chain")
                if p["last"]:
                    need(frame["commit"] == p["commit"] + 1 and frame["index"] == 0, "commit id")
                else:
                    need(frame["commit"] == p["commit"] and frame["epoch"] == p["epoch"] and frame["time"] == p["time"] and frame["index"] == p["index"] + 1, "commit")
        except (Damage, json.JSONDecodeError, UnicodeDecodeError) as damage:
            findings.append(f"log address {t}: {damage}")
            break
        frames.append(frame)
        previous = frame
        t += (4 + length + 3) // 4 * 4
        frame["end"] = t
    for number in sorted(segments):
        start = max(0, t - number * segment_size)
        if start < segment_size and any(segments[number].data[start:]):
            findings.append(f"segment {number}: bytes behind the log's end {t}")
    slots = [slot for segment in segments.values() for slot in segment.slots]
    return frames, t, slots


# --- records.md ---------------------------------------------------------------------------------------------------------

def load_kinds():
    """Kinds and known fields are read from the page itself, so that the page is what is tested."""
    kinds, fields = {}, {}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "records.md"), encoding="utf-8") as f:
        for line in f:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if len(cells) == 4 and cells[0].isdigit():
                kinds[int(cells[0])] = {"name": cells[1], "schema": cells[2], "id": cells[3]}
            elif len(cells) == 2 and any(cells[0] == kind["name"] for kind in kinds.values()) and " " in cells[1]:
                fields[cells[0]] = [("schema", "T")] + [tuple(part.split(" ")) for part in cells[1].split(", ")]
    for kind in kinds.values():
        kind["fields"] = fields[kind["name"]]
    return kinds


KINDS = load_kinds()


def time_text(us):
    days, rest = divmod(us, 86400 * 1000000)
    seconds, micro = divmod(rest, 1000000)
    z = days + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    year = yoe + era * 400 + (month <= 2)
    text = f"{year:04}-{month:02}-{doy - (153 * mp + 2) // 5 + 1:02}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + (f".{micro:06}Z" if micro else "Z")


def value_of(tag, data, offset):
    """A slot's value as JSON text."""
    if tag == 1:
        need(not data and offset == 0, "body: null")
        return "null"
    if tag == 2:
        return json.dumps(text_of(data, "text"), ensure_ascii=False)
    if tag == 3:
        text = text_of(data, "json")
        need(json.loads(text) is not None and not isinstance(json.loads(text), str), "body: tag 3 holds null or text")
        return text
    if tag == 4:
        need(len(data) == 8, "body: integer")
        return str(i64(data, 0))
    if tag == 5:
        need(len(data) == 8, "body: time")
        return json.dumps(time_text(i64(data, 0)))
    if tag == 6:
        need(len(data) >= 4, "body: list")
        count = u32(data, 0)
        need(4 + 4 * count <= len(data), "body: list")
        items, i = [], 4 + 4 * count
        for k in range(count):
            n = u32(data, 4 + 4 * k)
            need(i + n <= len(data), "body: list item")
            items.append(text_of(data[i:i + n], "list item"))
            i += n
        need(i == len(data), "body: list end")
        return json.dumps(items, ensure_ascii=False)
    if tag == 7:
        need(not data and offset in (0, 1), "body: boolean")
        return "true" if offset else "false"
    if tag == 8:
        need(len(data) == 32, "body: sha-256")
        return json.dumps("sha256:" + data.hex())
    raise Damage(f"body: tag {tag}")


def read_body(kind, body):
    """Returns the slots as {name: (tag, bytes)} and the document's members as (name, JSON text)."""
    info = KINDS[kind]
    need(8 <= len(body) <= 1048576 and u16(body, 2) == 1, "body: head")
    count, extension = u16(body, 0), u32(body, 4)
    need(count <= min(64, len(info["fields"])) and 8 + 8 * count <= len(body), "body: slot count")
    slots, members, i = {}, [], 8 + 8 * count
    for k in range(count):
        offset, word = u32(body, 8 + 8 * k), u32(body, 12 + 8 * k)
        tag, length = word >> 24, word & 0xFFFFFF
        name = info["fields"][k][0]
        if tag == 0:
            need(offset == 0 and length == 0 and k + 1 < count, "body: absent slot")
            continue
        if tag not in (1, 7):
            need(offset == i, f"body: {name} is not behind the value before")
            i += length
            need(i <= len(body), f"body: {name} ends outside")
        data = body[offset:offset + length] if tag not in (1, 7) else b""
        need(tag in (1, 7) or len(data) == length, "body: length")
        need(length == 0 or tag not in (1, 7), "body: length")
        slots[name] = (tag, data)
        members.append((name, value_of(tag, data, offset)))
    if extension:
        need(extension == i and i + 4 <= len(body), "body: extension offset")
        n = u32(body, i)
        i += 4
        need(1 <= n <= 4096, "body: extension count")
        for _ in range(n):
            need(i + 8 <= len(body), "body: extension")
            a, b, v = u16(body, i), u16(body, i + 2), u32(body, i + 4)
            i += 8
            need(a <= 255 and 1 <= b <= 255 and i + a + b + v <= len(body), "body: extension")
            name = text_of(body[i + a:i + a + b], "extension name")
            members.append((name, text_of(body[i + a + b:i + a + b + v], "extension value")))
            i += a + b + v
    need(i == len(body), "body: bytes behind its end")
    return slots, members


def document(kind, record_id, body):
    info = KINDS[kind]
    _, members = read_body(kind, body)
    schema = [value for name, value in members if name == "schema"] or [json.dumps(info["schema"])]
    parts = [f'"schema":{schema[0]}', f'{json.dumps(info["id"])}:{json.dumps(record_id, ensure_ascii=False)}']
    parts += [f"{json.dumps(name, ensure_ascii=False)}:{value}" for name, value in members if name != "schema"]
    return "{" + ",".join(parts) + "}"


# --- lmdb-layout.md -----------------------------------------------------------------------------------------------------

class Lmdb:
    def __init__(self, path):
        with open(path, "rb") as f:
            self.file = f.read()
        metas = []
        self.page = 0
        for size in (4096, 8192, 16384, 32768):
            for slot in (0, 1):
                m = self.file[size * slot:size * slot + 152]
                if len(m) == 152 and u64(m, 0) == slot and u16(m, 10) == 8 and u32(m, 16) == 0xBEEFC0DE and u32(m, 20) == 1 and u32(m, 40) == size and u16(m, 44) == 8:
                    metas.append((u64(m, 144), slot, size, m))
            if metas:
                break
        need(metas, f"{path}: no meta page")
        self.transaction, _, self.page, m = max(metas, key=lambda meta: (meta[0], -meta[1]))
        self.last = u64(m, 136)
        self.owner = {0: "meta", 1: "meta"}
        self.free = self.database(m[40:88])
        self.main = self.database(m[88:136])

    def database(self, r):
        return {"flags": u16(r, 4), "depth": u16(r, 6), "branches": u64(r, 8), "leaves": u64(r, 16), "overflows": u64(r, 24), "entries": u64(r, 32), "root": u64(r, 40)}

    def take(self, number, who):
        need(2 <= number <= self.last and number not in self.owner, f"page {number}: used twice or outside ({who})")
        self.owner[number] = who
        start = number * self.page
        need(start + self.page <= len(self.file), f"page {number}: behind the file's end")
        return self.file[start:start + self.page]

    def walk(self, db, who):
        """Yields (key, flags, value) in order, and checks the counts at the end."""
        counts = {"branches": 0, "leaves": 0, "overflows": 0, "entries": 0}
        if db["root"] == 2**64 - 1:
            need(db["depth"] == 0, f"{who}: depth")
        else:
            yield from self.tree(db["root"], 1, db["depth"], None, None, who, counts)
        for name, count in counts.items():
            need(db[name] == count, f"{who}: {name} {db[name]}, found {count}")

    def order(self, key, who):
        return u64(key, 0) if who == "free" else key

    def tree(self, number, level, depth, low, high, who, counts):
        p = self.take(number, who)
        lower, upper, kind = u16(p, 12), u16(p, 14), u16(p, 10)
        need(u64(p, 0) == number and kind == (2 if level == depth else 1), f"page {number}: header")
        need(16 <= lower <= upper <= self.page and lower % 2 == 0 and upper % 2 == 0, f"page {number}: bounds")
        offsets = [u16(p, 16 + 2 * i) for i in range((lower - 16) // 2)]
        need(len(offsets) >= (2 if kind == 1 else 1), f"page {number}: nodes")
        need(all(upper <= o <= self.page - 8 and o % 2 == 0 for o in offsets), f"page {number}: node offsets")
        spans, last = [], low
        if kind == 1:
            counts["branches"] += 1
            nodes = []
            for i, o in enumerate(offsets):
                k = u16(p, o + 6)
                key = p[o + 8:o + 8 + k]
                need(len(key) == k, f"page {number}: node {i}")
                spans.append((o, (8 + k + 1) // 2 * 2))
                nodes.append((key, u32(p, o) | u16(p, o + 4) << 32))
            self.tiles(number, spans, upper)
            for i, (key, child) in enumerate(nodes):
                child_low = low if i == 0 else key
                child_high = high if i + 1 == len(nodes) else nodes[i + 1][0]
                if i > 0:
                    need((last is None or self.order(key, who) > self.order(last, who)) if i > 1 else True, f"page {number}: key order")
                    last = key
                yield from self.tree(child, level + 1, depth, child_low, child_high, who, counts)
            return
        counts["leaves"] += 1
        out = []
        previous = None
        for i, o in enumerate(offsets):
            v, flags, k = u32(p, o), u16(p, o + 4), u16(p, o + 6)
            need(1 <= k <= 511 and flags in (0, 1, 2), f"page {number}: node {i}")
            stored = {0: v, 1: 8, 2: 48}[flags]
            need(o + 8 + k + stored <= self.page, f"page {number}: node {i} ends outside")
            spans.append((o, (8 + k + stored + 1) // 2 * 2))
            key = p[o + 8:o + 8 + k]
            need(previous is None or self.order(previous, who) < self.order(key, who), f"page {number}: key order")
            need(low is None or self.order(key, who) >= self.order(low, who), f"page {number}: below its bound")
            need(high is None or self.order(key, who) < self.order(high, who), f"page {number}: above its bound")
            previous = key
            value = p[o + 8 + k:o + 8 + k + stored]
            if flags == 1:
                first = u64(value, 0)
                head = self.take(first, who)
                pages = u32(head, 12)
                need(u64(head, 0) == first and u16(head, 10) == 4 and pages >= (15 + v) // self.page + 1, f"page {first}: overflow run")
                for extra in range(first + 1, first + pages):
                    self.take(extra, who)
                counts["overflows"] += pages
                value = self.file[first * self.page + 16:first * self.page + 16 + v]
            out.append((key, flags, value))
            counts["entries"] += 1
        self.tiles(number, spans, upper)
        yield from out

    def tiles(self, number, spans, upper):
        position = upper
        for start, length in sorted(spans):
            need(start == position, f"page {number}: nodes do not fill it")
            position = start + length
        need(position == self.page, f"page {number}: nodes do not fill it")

    def named(self):
        out = {}
        for key, flags, value in self.walk(self.main, "main"):
            need(flags == 2 and len(value) == 48, "main database: not a database record")
            out[key.decode("utf-8")] = self.database(value)
        return out

    def account(self):
        """Every page belongs to exactly one tree or free entry."""
        for key, _, value in self.walk(self.free, "free"):
            need(len(key) == 8 and len(value) >= 8, "free entry")
            count = u64(value, 0)
            pages = [u64(value, 8 + 8 * i) for i in range(count)]
            need(all(a > b for a, b in zip(pages, pages[1:])), "free entry: order")
            for number in pages:
                need(2 <= number <= self.last and number not in self.owner, f"page {number}: free and used")
                self.owner[number] = "listed"
        missing = [n for n in range(self.last + 1) if n not in self.owner]
        need(not missing, f"pages that belong to nothing: {missing[:10]}")


# --- state.md -----------------------------------------------------------------------------------------------------------

TABLES = {"records": 1, "index": 2, "surrogates": 3, "frames": 4, "meta": 5}
be8 = struct.Struct(">Q").pack
le8 = struct.Struct("<Q").pack
le16 = lambda value: value.to_bytes(16, "little")


def number_of(slots, name):
    tag, data = slots.get(name, (0, b""))
    if tag != 2 or not data:
        return bytes(8)
    return be8(xxh64(0, data) or 1)


def is_boot(record):
    return record["boot_critical"] and not record["tombstone"]


def index_keys(record):
    sur = be8(record["surrogate"])
    boot = [b"\x06" + sur] if is_boot(record) else []
    return boot + (object_keys(record, sur) if record["kind"] == 1 else [])


def object_keys(record, sur):
    slots, _ = read_body(record["kind"], record["body"])
    tag, data = slots.get("updated_at", (0, b""))
    updated = i64(data, 0) if tag == 5 else 0
    keys = [b"\x05" + number_of(slots, "state") + be8(updated + 2**63) + sur]
    if record["tombstone"]:
        return keys
    keys.append(b"\x01" + number_of(slots, "profile_id") + number_of(slots, "object_type") + sur)
    tag, path = slots.get("path", (0, b""))
    if tag == 2 and path:
        part = path + b"\0" if len(path) <= 400 else path[:400] + b"\x01" + be8(xxh64(0, path))
        keys.append(b"\x02" + number_of(slots, "workspace_id") + part + sur)
    keys.append(b"\x03" + number_of(slots, "last_modified_by_actor") + sur)
    tag, content = slots.get("content_hash", (0, b""))
    if tag == 8:
        keys.append(b"\x04\x08" + content + sur)
    elif tag == 2:
        keys.append(b"\x04\x02" + le16(xxh128(0, content)) + sur)
    return keys


def read_state(path, sb, findings):
    lmdb = Lmdb(os.path.join(path, "state", f"g{sb['generation']}", "data.mdb"))
    tables = {name: list(lmdb.walk(db, name)) for name, db in lmdb.named().items()}
    need(set(tables) == set(TABLES), f"state: tables {sorted(tables)}")
    lmdb.account()
    meta = {key: value for key, _, value in tables["meta"]}
    need(set(meta) == {b"header", b"digest"}, "state: meta keys")
    for key in meta:
        need(le16(tagged128(b"\x05" + key, meta[key][:-16])) == meta[key][-16:], f"state: {key} check")
    digest, h = meta[b"digest"], meta[b"header"]
    need(len(digest) == 16440 and u16(digest, 0) == 1, "digest: length")
    for table in range(1, 5):
        name = [n for n, t in TABLES.items() if t == table][0]
        sums, at = [0] * 256, 8 + (table - 1) * (8 + 4096)
        for key, _, value in tables[name]:
            tagged = bytes([table]) + key
            bucket = xxh64(0, tagged) % 256
            sums[bucket] = (sums[bucket] + tagged128(tagged, value)) % 2**128
            if table != 1:
                need(le8(tagged64(tagged, value[:-8])) == value[-8:], f"{name}: check of {key.hex()}")
        need(u64(digest, at) == len(tables[name]), f"{name}: count {len(tables[name])}, digest says {u64(digest, at)}")
        need(b"".join(le16(s) for s in sums) == digest[at + 8:at + 8 + 4096], f"{name}: digest")
    records = {}
    for key, _, v in tables["records"]:
        need(len(v) >= 40 and v[0] == key[0] and v[0] in KINDS and v[1] == 1 and u16(v, 2) < 4 and len(v) == 40 + u32(v, 4), f"record {key!r}: envelope")
        need(le16(tagged128(b"\x01" + key + v[:24], v[40:])) == v[24:40], f"record {key!r}: check")
        record_id = identifier(key[1:], "record id")
        records[(v[0], record_id)] = {"kind": v[0], "id": record_id, "tombstone": bool(u16(v, 2) & 1), "boot_critical": bool(u16(v, 2) & 2),
                                      "sequence": u64(v, 8), "surrogate": u64(v, 16), "body": v[40:]}
    need(sorted(key for key, _, _ in tables["index"]) == sorted(k for r in records.values() for k in index_keys(r)), "index: not what the records say")
    need({key: value[:-8] for key, _, value in tables["surrogates"]} == {be8(r["surrogate"]): bytes([r["kind"]]) + r["id"].encode() for r in records.values()}, "surrogates")
    f = u16(h, 2)
    need(u16(h, 0) == 1 and u32(h, 4) == len(h) == 968 + 32 * f + 16 and h[8:24] == sb["id"] and u64(h, 24) == sb["generation"], "state header")
    zero(h[960:968], "state header")
    marked = {bytes([r["kind"]]) + r["id"].encode() for r in records.values() if is_boot(r)}
    boot_sum = sum(tagged128(b"\x01" + key, value) for key, _, value in tables["records"] if key in marked) % 2**128
    need(u64(h, 112) == len(marked) and h[120:136] == le16(boot_sum), "state header: records that a boot reads")
    state = {"position": u64(h, 32), "frames": u64(h, 40), "last_sequence": u64(h, 48), "commit": u64(h, 56), "epoch": u64(h, 64), "time": i64(h, 72),
             "head": h[80:112], "kinds": {k: (u64(h, 136 + 16 * k), u64(h, 144 + 16 * k)) for k in range(32)},
             "lanes": [(u64(h, 648 + 24 * i), u64(h, 656 + 24 * i), i64(h, 664 + 24 * i)) for i in range(13)],
             "frontier": [h[968 + 32 * i:1000 + 32 * i] for i in range(f)], "records": records,
             "frame_table": [(key, value) for key, _, value in tables["frames"]], "transaction": lmdb.transaction}
    return state


def is_tagged(kind, body):
    tags = json.loads(dict(read_body(kind, body)[1]).get("policy_tags", "[]"))
    return isinstance(tags, list) and "boot-critical" in tags and b"boot-critical" in body


def fold(frames):
    """The log folded again: records, lanes, kinds, as state.md says."""
    records, lanes = {}, {}
    for frame in frames:
        for event in frame["events"]:
            if event.get("erased"):
                continue
            lane = [code for code, name in LANES.items() if name == event["lane"]][0]
            count, _, _ = lanes.get(lane, (0, 0, 0))
            lanes[lane] = (count + 1, event["sequence"], event["at"])
            key = (event["kind"], event["subject"])
            if event["kind"] and event["previous"] != (records[key]["sequence"] if key in records else 0):
                raise Damage(f"event {event['sequence']}: previous sequence")
            if event["action"] == PUT and event["kind"] and is_tagged(event["kind"], event["image"]):
                need(event["boot_critical"], f"event {event['sequence']}: tagged for boot, and not marked")
            if event["action"] in (PUT, TOMBSTONE):
                old = records.get(key)
                records[key] = {"kind": event["kind"], "id": event["subject"], "tombstone": event["action"] == TOMBSTONE, "boot_critical": event["boot_critical"],
                                "sequence": event["sequence"], "surrogate": old["surrogate"] if old else event["sequence"], "body": event["image"]}
            elif event["action"] == PURGE:
                records.pop(key, None)
    return records, lanes


def check_store(path):
    findings = []
    sb = read_superblock(path, findings)
    frames, end, slots = read_log(path, sb, findings)
    while frames and not frames[-1]["last"]:
        findings.append(f"frame {frames[-1]['number']}: its commit has no last frame")
        frames.pop()
    end = frames[-1]["end"] if frames else sb["base_address"]
    head = frames[-1]["hash"] if frames else sb["base_head"]
    newest = max(slots, key=lambda slot: slot["generation"]) if slots else None
    state = None
    try:
        state = read_state(path, sb, findings)
        need(state["position"] == end and state["head"] == head, "state: not at the log's end")
        need(state["frames"] == sb["base_frame"] + len(frames), "state: frame count")
        need(state["frame_table"] == [(be8(f["first"]), row[1]) for f, row in zip(frames, state["frame_table"])], "frames table: keys")
        for frame, (_, value) in zip(frames, state["frame_table"]):
            need(value[:-8] == struct.pack("<QQIIQq", frame["number"], frame["address"], frame["length"], frame["count"], frame["commit"], frame["time"]), f"frames table: frame {frame['number']}")
        if sb["base_frame"] == 0:
            need(state["frontier"] == frontier_of([sha256(b"\0" + f["hash"]) for f in frames]), "state: frontier")
            records, lanes = fold(frames)
            need(records == state["records"], "state: the log folds to other records")
            for lane in range(1, 12):
                need(state["lanes"][lane - 1] == lanes.get(lane, (0, 0, 0)), f"state: lane {LANES[lane]}")
            for kind in KINDS:
                live = sum(1 for r in records.values() if r["kind"] == kind and not r["tombstone"])
                dead = sum(1 for r in records.values() if r["kind"] == kind and r["tombstone"])
                need(state["kinds"][kind] == (live, dead), f"state: counts of kind {KINDS[kind]['name']}")
    except (Damage, FileNotFoundError, struct.error, IndexError) as damage:
        findings.append(str(damage))
    summary = {
        "storeId": sb["id"].hex(), "frames": len(frames), "lastSequence": frames[-1]["first"] + frames[-1]["count"] - 1 if frames else 0, "end": end,
        "root": tree_root([sha256(b"\0" + f["hash"]) for f in frames]).hex() if sb["base_frame"] == 0 else None,
        "cleanClose": bool(newest and newest["clean"] and newest["tail"] == end), "records": len(state["records"]) if state else None,
        "findings": findings,
    }
    return summary, frames, state


def main(arguments):
    if len(arguments) not in (1, 2) or (len(arguments) == 2 and arguments[1] not in ("--records", "--events")):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        summary, frames, state = check_store(arguments[0])
    except (Damage, OSError) as damage:
        print(json.dumps({"findings": [str(damage)]}))
        return 1
    print(json.dumps(summary))
    if arguments[1:] == ["--records"] and state:
        for key in sorted(state["records"], key=lambda k: (k[0], k[1].encode())):
            record = state["records"][key]
            if not record["tombstone"]:
                print(document(record["kind"], record["id"], record["body"]))
    if arguments[1:] == ["--events"]:
        for frame in frames:
            for event in frame["events"]:
                print(json.dumps({k: (v.hex() if isinstance(v, bytes) else v) for k, v in event.items()}))
    return 1 if summary["findings"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
