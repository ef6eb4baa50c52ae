#!/usr/bin/env python3
"""Writes the vectors of this folder.

Why it exists: it is a second writer of the format, made from the pages and not from the code, so that a misreading shows
as a difference. It knows no reader. Run it in this folder after a change of a page; the tests compare the code with what it writes.
Needs Python 3.8 or newer, libxxhash.so.0 and liblz4.so.1.
"""
import ctypes
import hashlib
import itertools
import re
import struct

XXH = ctypes.CDLL("libxxhash.so.0")
LZ4 = ctypes.CDLL("liblz4.so.1")


class Pair(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


XXH.XXH3_64bits_withSeed.restype = ctypes.c_uint64
XXH.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
XXH.XXH3_128bits_withSeed.restype = Pair
XXH.XXH3_128bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]


# --- checksums.md ---------------------------------------------------------------------------------------------------

def crc32c(data, identity=b""):
    value = 0xFFFFFFFF
    for byte in identity + data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def xxh64(seed, data):
    return XXH.XXH3_64bits_withSeed(data, len(data), seed)


def xxh128(seed, data):
    pair = XXH.XXH3_128bits_withSeed(data, len(data), seed)
    return pair.low | (pair.high << 64)


def tagged64(identity, data):
    return xxh64(xxh64(0, identity), data)


def tagged128(identity, data):
    return xxh128(xxh64(0, identity), data)


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf(data):
    return sha256(b"\0" + data)


def tree(leaves):
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:]))


def frontier(leaves):
    """Roots of the perfect subtrees, largest first."""
    roots, at = [], 0
    for bit in reversed(range(48)):
        if len(leaves) >> bit & 1:
            roots.append(tree(leaves[at:at + (1 << bit)]))
            at += 1 << bit
    return roots


def u8(x): return struct.pack("<B", x)
def u16(x): return struct.pack("<H", x)
def u32(x): return struct.pack("<I", x)
def u64(x): return struct.pack("<Q", x)
def i64(x): return struct.pack("<q", x)
def be8(x): return struct.pack(">Q", x)
def u128(x): return u64(x & (2**64 - 1)) + u64(x >> 64)


def at(size, fields):
    """Bytes of a size with fields at their offsets; what no field names is zero."""
    out = bytearray(size)
    for offset, value in fields:
        assert offset + len(value) <= size
        assert not any(out[offset:offset + len(value)])
        out[offset:offset + len(value)] = value
    return bytes(out)


def sealed(data, offset):
    return data[:offset] + u32(crc32c(data[:offset])) + data[offset + 4:]


# --- the file format of the vectors: README.md ----------------------------------------------------------------------

def hexed(data):
    if not data:
        return "-"
    tokens, run = [], b""
    for byte, group in itertools.groupby(data):
        count = len(list(group))
        if count >= 8:
            if run:
                tokens.append(run.hex())
                run = b""
            tokens.append("%02xx%d" % (byte, count))
        else:
            run += bytes([byte]) * count
    if run:
        tokens.append(run.hex())
    lines, line = [], ""
    for token in tokens:
        for piece in re.findall(r"[0-9a-f]{1,96}", token) if "x" not in token else [token]:
            if line and len(line) + len(piece) > 100:
                lines.append(line)
                line = ""
            line += (" " if line else "") + piece
    lines.append(line)
    return "\n  ".join(lines)


class Page:
    def __init__(self, name, about):
        self.name, self.lines = name, ["# " + line for line in about]

    def case(self, title, **fields):
        self.lines += ["", "case: " + title]
        for name, value in fields.items():
            name = name.replace("_", "-")
            if isinstance(value, bytes):
                value = hexed(value)
            elif isinstance(value, list):
                value = hexed(b"".join(value))
            elif isinstance(value, str):
                value = '"' + value + '"'
            self.lines.append("%s: %s" % (name, value))

    def write(self):
        with open(self.name, "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")


STORE_ID = bytes(range(1, 17))
GENESIS = sha256(b"sourceos-statestore-genesis-v1" + STORE_ID)


def write_checksums():
    page = ["# algorithm, seed or identity, input, result: see README.md. Seeds are 8 bytes little-endian, results as the format stores them;",
            "# sha256-leaf is sha256(0x00 || input), sha256-node is sha256(0x01 || input)."]
    inputs = [b"", b"\0", b"a", b"abc", b"123456789"]
    pattern = bytes((i * 131 + 7) & 0xFF for i in range(300))
    inputs += [pattern[:n] for n in (4, 8, 9, 16, 17, 32, 33, 64, 65, 96, 97, 128, 129, 240, 241, 300)]
    inputs += [b"\x5a" * n for n in (512, 1023, 1024, 1025, 3071, 3072, 3073, 4096, 10000)]
    for data in inputs:
        text = hexed(data).replace("\n  ", "_").replace(" ", "_")
        page.append("crc32c - %s %s" % (text, u32(crc32c(data)).hex()))
        page.append("crc32c 2a00000000000000 %s %s" % (text, u32(crc32c(data, u64(42))).hex()))
        for seed in (0, 1, 0x9E3779B97F4A7C15):
            page.append("xxh64 %s %s %s" % (u64(seed).hex(), text, u64(xxh64(seed, data)).hex()))
            page.append("xxh128 %s %s %s" % (u64(seed).hex(), text, u128(xxh128(seed, data)).hex()))
        page.append("tagged64 0172656f %s %s" % (text, u64(tagged64(bytes.fromhex("0172656f"), data)).hex()))
        page.append("tagged128 0172656f %s %s" % (text, u128(tagged128(bytes.fromhex("0172656f"), data)).hex()))
        page.append("sha256 - %s %s" % (text, sha256(data).hex()))
        page.append("sha256-leaf - %s %s" % (text, leaf(data).hex()))
    page.append("sha256-node - %s %s" % (bytes(range(64)).hex(), sha256(b"\1" + bytes(range(64))).hex()))
    with open("checksums.hex", "w", encoding="utf-8") as file:
        file.write("\n".join(page) + "\n")


def write_merkle():
    page = Page("merkle.hex", ["Merkle trees of RFC 6962: leaf data, root, frontier (roots of the perfect subtrees, largest first).",
                               "Leaf i of a tree is the i bytes 0, 1, ... i-1."])
    for count in (0, 1, 2, 3, 4, 5, 7, 8, 13, 64, 100):
        leaves = [leaf(bytes(range(i))) for i in range(count)]
        page.case("%d leaves" % count, count=count, root=tree(leaves), frontier=frontier(leaves))
    page.write()


# --- superblock.md --------------------------------------------------------------------------------------------------

def superblock(f):
    return sealed(at(4096, [
        (0, b"SOSTATE1"), (8, u16(1)), (10, u16(1)), (16, STORE_ID), (32, u64(f["update_counter"])), (40, u64(f["generation"])),
        (48, i64(f["created_at"])), (56, u8(f["page_bits"])), (57, u8(f["segment_bits"])), (64, u64(f["base_address"])),
        (72, u64(f["base_frame"])), (80, u64(f["base_sequence"])), (88, f["base_chain_head"]), (120, f["base_state_digest"]),
        (152, u16(len(f["frontier"]))), (160, b"".join(f["frontier"])), (1696, f["writer_build"].encode())]), 4092)


def write_superblock():
    page = Page("superblock.hex", ["Slots of STORE (superblock.md). The slot index is update-counter mod 2."])
    fresh = dict(store_id=STORE_ID, update_counter=1, generation=1, created_at=1700000000000000, page_bits=22, segment_bits=24,
                 base_address=64, base_frame=0, base_sequence=1, base_chain_head=GENESIS, base_state_digest=bytes(32), frontier=[],
                 writer_build="0.1.0-vector")
    page.case("a new store", **fresh, bytes=superblock(fresh))
    based = dict(fresh, update_counter=12, generation=3, created_at=-1, page_bits=16, segment_bits=17, base_address=131072 + 64, base_frame=11,
                 base_sequence=500, base_chain_head=leaf(b"head"), base_state_digest=leaf(b"digest"),
                 frontier=frontier([leaf(bytes([i])) for i in range(11)]), writer_build="b\u00fcild")
    page.case("a store whose log starts at frame 11", **based, bytes=superblock(based))
    page.write()


# --- parity.md ------------------------------------------------------------------------------------------------------

def write_parity():
    page = Page("parity.hex", ["Parity headers with their table (parity.md). Block i of the data is the byte `fill` + i, 65,536 times; `parity` is the first byte of each",
                               "block of parity, which repeats it."])
    for title, segment, bits, fill, made in (("the smallest segment", 0, 17, 1, 1700000000000000), ("two groups", 70000, 21, 5, 0)):
        count = (1 << bits) // 65536
        groups = (count + 15) // 16
        firsts = [(fill + i) & 0xFF for i in range(count)]
        sums = [0] * groups
        for i, first in enumerate(firsts):
            sums[i % groups] ^= first
        place = lambda index: STORE_ID + u64(segment) + u64(index)
        table = b"".join(u128(tagged128(place(i), bytes([first]) * 65536)) for i, first in enumerate(firsts + sums))
        page.case(title, store_id=STORE_ID, segment=segment, segment_bits=bits, made_at=made, fill=fill, parity=bytes(sums), table=table,
                  bytes=sealed(at(4096, [
                      (0, b"SOPARIT1"), (8, u16(1)), (10, u16(1)), (16, STORE_ID), (32, u64(segment)), (40, u64(32768)), (48, u64(1 << bits)),
                      (56, u32(65536)), (60, u32(count)), (64, u32(groups)), (68, u8(bits)), (72, i64(made)),
                      (80, u128(tagged128(place(2**64 - 1), table)))]), 4092))
    page.write()


# --- segments.md ----------------------------------------------------------------------------------------------------

def write_segments():
    page = Page("segment-header.hex", ["Segment headers (segments.md)."])
    for title, f in (
            ("the first segment", dict(store_id=STORE_ID, segment=0, page_bits=22, segment_bits=24, created_at=1700000000000000, epoch=1)),
            ("a later segment", dict(store_id=STORE_ID, segment=70000, page_bits=16, segment_bits=17, created_at=0, epoch=9))):
        page.case(title, **f, bytes=sealed(at(4096, [
            (0, b"SOSEGMT1"), (8, u16(1)), (10, u16(1)), (16, STORE_ID), (32, u64(f["segment"])), (40, u64(f["segment"] << f["segment_bits"])),
            (48, u8(f["page_bits"])), (49, u8(f["segment_bits"])), (56, i64(f["created_at"])), (64, u64(f["epoch"]))]), 4092))
    page.write()

    page = Page("tail-slot.hex", ["Tail slots with their block copy (segments.md). `block` is what the copy holds below the tail."])
    for title, f in (
            ("the first slot", dict(slot_index=0, clean_close=0, store_id=STORE_ID, segment=0, generation=1, durable_before=64, tail=64, frame_count=0,
                                    last_sequence=0, epoch=1, chain_head=GENESIS, written_at=1700000000000000, state_transaction=0, state_generation=0)),
            ("a clean close", dict(slot_index=1, clean_close=1, store_id=STORE_ID, segment=5, generation=99, durable_before=5 * 131072 + 4296,
                                   tail=5 * 131072 + 4296, frame_count=12, last_sequence=40, epoch=3, chain_head=leaf(b"chain"), written_at=5,
                                   state_transaction=8, state_generation=2)),
            ("a tail at its segment's end", dict(slot_index=0, clean_close=0, store_id=STORE_ID, segment=5, generation=100, durable_before=6 * 131072 - 500,
                                                 tail=6 * 131072, frame_count=13, last_sequence=41, epoch=3, chain_head=leaf(b"end"), written_at=6,
                                                 state_transaction=0, state_generation=0))):
        block_address = f["tail"] & ~4095
        block = bytes((i * 7) & 0xFF for i in range(f["tail"] - block_address))
        page.case(title, **f, block=block, bytes=sealed(at(8192, [
            (0, b"SOTAILS1"), (8, u16(1)), (10, u16(f["slot_index"])), (12, u32(f["clean_close"])), (16, STORE_ID), (32, u64(f["segment"])),
            (40, u64(f["generation"])), (48, u64(f["durable_before"])), (56, u64(f["tail"])), (64, u64(f["frame_count"])),
            (72, u64(f["last_sequence"])), (80, u64(f["epoch"])), (88, f["chain_head"]), (120, i64(f["written_at"])), (128, u64(block_address)),
            (136, u32(len(block))), (140, u32(crc32c(block, u64(block_address)))), (144, u64(f["state_transaction"])),
            (152, u64(f["state_generation"])), (4096, block)]), 4092))
    page.write()


# --- events.md ------------------------------------------------------------------------------------------------------

def event(f):
    texts = [f[name].encode() for name in ("type", "actor", "device", "profile", "workspace", "subject", "decision")]
    data, image = f["data"].encode(), f["image"]
    variable = b"".join(texts) + data + image
    lengths = b"".join(u16(len(text)) for text in texts)
    return at(64, [(0, u8(1)), (1, u8(f["lane"])), (2, u8(f["action"])), (3, u8(f["subject_kind"])), (4, u32(64 + len(variable))),
                   (8, u64(f["sequence"])), (16, u64(f["previous"])), (24, i64(f["occurred_at"])), (32, u16(f["image_flags"])),
                   (34, lengths), (48, u32(len(data))), (52, u32(len(image)))]) + variable


def events():
    plain = dict(lane=7, action=1, subject_kind=0, sequence=1, previous=0, occurred_at=0, image_flags=0, type="app.started", actor="", device="",
                 profile="", workspace="", subject="", decision="", data="", image=b"")
    put = dict(lane=1, action=2, subject_kind=1, sequence=2, previous=0, occurred_at=1700000000000001, image_flags=1, type="sync.object.created",
               actor="actor:\u00e4gent", device="device:local", profile="profile:dev", workspace="workspace:default", subject="object:alpha",
               decision="policy-decision:1", data='{"why": [1.0, null]}', image=body([(1, 2, b"file"), (19, 2, b"active")]))
    tombstone = dict(put, lane=8, action=3, sequence=3, previous=2, image_flags=0, type="sync.object.tombstoned", decision="", data="")
    purge = dict(tombstone, action=4, sequence=4, previous=3, type="sync.object.purged", image=b"")
    about = dict(plain, sequence=5, previous=2, subject_kind=1, subject="object:beta", lane=11, type="x")
    return [("an event without a subject", plain), ("put", put), ("tombstone", tombstone), ("purge", purge), ("no change, with a subject", about)]


def write_events():
    page = Page("event.hex", ["Events (events.md). Texts are quoted, the image is a body (records.md)."])
    for title, f in events():
        page.case(title, **f, bytes=event(f))
    page.write()


# --- frames.md ------------------------------------------------------------------------------------------------------

def body_area(number, codec, flags, stored, raw_length):
    head = u8(codec) + u8(flags) + u16(0) + u32(len(stored)) + u32(raw_length)
    area = head + u32(crc32c(head + stored, u64(number))) + stored
    return area + bytes(-len(area) % 4)


def raw_body(entries, erased=()):
    words = b"".join(u32(len(e) | (0x80000000 if i in erased else 0)) for i, e in enumerate(entries))
    return words + b"".join(bytes(len(e)) if i in erased else e for i, e in enumerate(entries))


def frame(f, leaves, area):
    head = at(256, [(0, b"SSFR"), (4, u16(256)), (6, u16(1)), (8, u32(f["last"])), (12, u32(len(leaves))), (16, STORE_ID), (32, u64(f["epoch"])),
                    (40, u64(f["number"])), (48, u64(f["commit"])), (56, u32(f["index"])), (64, u64(f["first_sequence"])), (72, u64(f["address"])),
                    (80, i64(f["commit_time"])), (88, u64(f["durable_frames"])), (96, f["previous"]), (128, tree(leaves)), (160, u32(len(area)))])
    head = sealed(head, 252)
    return head, head + b"".join(leaves) + area


def compress(data):
    out = b""
    for start in range(0, len(data), 65536):
        chunk = data[start:start + 65536]
        room = ctypes.create_string_buffer(len(chunk) * 2 + 64)
        length = LZ4.LZ4_compress_default(chunk, room, len(chunk), len(room))
        out += u32(length) + room.raw[:length]
    return out


def write_frames():
    page = Page("frame.hex", ["Frames as entries (frames.md). `events` and `salts` are joined; lengths are in the body's directory.",
                              "A compressed body has many encodings, so `lz4` frames are for reading only; `erased` lists the bits of erased events."])
    def shifted(by):
        return [event(dict(f, sequence=f["sequence"] + by, previous=f["previous"] and f["previous"] + by)) for _, f in events()]

    items = shifted(0)
    salts = [bytes([16 * i + j & 0xFF for j in range(16)]) for i in range(1, len(items) + 1)]
    first = dict(store_id=STORE_ID, last=1, epoch=1, number=0, commit=1, index=0, first_sequence=1, address=64, commit_time=1700000000000000,
                 durable_frames=0, previous=GENESIS)
    second = dict(first, last=0, epoch=3, number=9, commit=4, index=2, first_sequence=51, address=70000, durable_frames=9, previous=leaf(b"previous"))
    third = dict(second, number=10)
    for title, f, codec, erased in (
            ("the first frame, raw", first, "raw", ()),
            ("a later frame, compressed", second, "lz4", ()),
            ("a frame with two erased events", third, "raw", (1, 4))):
        items = shifted(f["first_sequence"] - 1)
        entries = [salt + item for salt, item in zip(salts, items)]
        leaves = [leaf(entry) for entry in entries]
        raw = raw_body(entries, erased)
        stored = compress(raw) if codec == "lz4" else raw
        area = body_area(f["number"], 2 if codec == "lz4" else 1, 1 if erased else 0, stored, len(raw))
        head, whole = frame(f, leaves, area)
        page.case(title, **f, codec=codec, erased=sum(1 << i for i in erased), count=len(items), events=items, salts=salts, leaves=leaves, hash=sha256(head), bytes=whole)
    page.write()


# --- records.md -----------------------------------------------------------------------------------------------------

def body(slots, extensions=()):
    """slots: (slot, tag, value); the value of tag 7 is a bool, of tag 6 a list of bytes, else bytes."""
    count = max((slot for slot, _, _ in slots), default=-1) + 1
    table, values, offset = [(0, 0, 0)] * count, b"", 8 + 8 * count
    for slot, tag, value in sorted(slots):
        if tag in (1, 7):
            table[slot] = (1 if value else 0, 0, tag)
            continue
        if tag == 6:
            value = u32(len(value)) + b"".join(u32(len(text)) for text in value) + b"".join(value)
        table[slot] = (offset, len(value), tag)
        values += value
        offset += len(value)
    section = b""
    if extensions:
        section = u32(len(extensions)) + b"".join(
            u16(len(space)) + u16(len(name)) + u32(len(value)) + space + name + value for space, name, value in extensions)
    return (u16(count) + u16(1) + u32(offset if section else 0)
            + b"".join(u32(place) + u32(length | tag << 24) for place, length, tag in table) + values + section)


def envelope(key, flags, sequence, surrogate, content):
    head = u8(key[0]) + u8(1) + u16(flags) + u32(len(content)) + u64(sequence) + u64(surrogate)
    return head + u128(tagged128(b"\1" + key + head, content)) + content


def write_records():
    page = Page("record.hex", ["Records (records.md): the document, its body, and the envelope under the key of kind and id."])
    space = b"sourceos.object-record/v1alpha1"
    object_json = (
        '{"schema":"sourceos.object-record/v1alpha1","object_id":"object:vector","object_type":"note","created_at":"2024-02-29T12:00:00Z",'
        '"updated_at":"2024-02-29T12:00:00.000001Z","policy_tags":["a","","\\u00e9"],"content_hash":"sha256:' + "0f" * 32 + '",'
        '"size_bytes":-9223372036854775808,"mode":1.0,"title":null,"attributes":{"b":[1e2,12345678901234567890],"a":"\\n"},"legal_hold":false,'
        '"x_unknown":[1.50],"x_text":"a\\u0062"}')
    object_body = body(
        [(1, 2, b"note"), (10, 5, i64(1709208000000000)), (11, 5, i64(1709208000000001)), (15, 6, [b"a", b"", "\u00e9".encode()]),
         (17, 8, b"\x0f" * 32), (22, 4, i64(-2**63)), (23, 3, b"1.0"), (25, 1, None),
         (26, 3, b'{"b":[1e2,12345678901234567890],"a":"\\n"}'), (28, 7, False)],
        [(space, b"x_unknown", b"[1.50]"), (space, b"x_text", b'"a\\u0062"')])
    device_json = '{"schema":"sourceos.device-record/v1alpha1","device_id":"device:vector"}'
    task_json = ('{"schema":"sourceos.operation-task/v1alpha1","task_id":"task:vector","status":5,"attempt":"1","evidence_refs":["a",1],'
                 '"created_at":"yesterday","replay_safe":true}')
    task_body = body([(3, 3, b"5"), (4, 2, b"1"), (7, 3, b'["a",1]'), (8, 2, b"yesterday"), (15, 7, True)])
    for title, kind, name, flags, json, content in (
            ("an object with every type", 1, "object:vector", 2, object_json, object_body),
            ("a device without fields", 6, "device:vector", 1, device_json, body([])),
            ("a task whose values are not of their fields' types", 18, "task:vector", 0, task_json, task_body)):
        page.case(title, kind=kind, id=name, json=json.encode(), body=content, flags=flags, sequence=77, surrogate=70,
                  envelope=envelope(u8(kind) + name.encode(), flags, 77, 70, content))
    page.write()


# --- state.md -------------------------------------------------------------------------------------------------------

def check(table, key, value):
    return u64(tagged64(u8(table) + key, value))


def number(text):
    return be8((xxh64(0, text) or 1) if text else 0)


def write_state():
    page = Page("state.hex", ["Values of the state (state.md). `kinds` and `lanes` list the places that are not zero: index, then the place's bytes."])
    leaves = [leaf(sha256(bytes([i]))) for i in range(11)]
    f = dict(store_id=STORE_ID, generation=2, position=70128, frame_count=11, last_sequence=40, last_commit=7, epoch=3, commit_time=1700000000000000,
             chain_head=leaf(b"chain"), boot_records=3, boot_sum=bytes(range(16)))
    kinds = {1: u64(3) + u64(1), 19: u64(2**40) + u64(0)}
    lanes = {0: u64(30) + u64(40) + i64(5), 10: u64(10) + u64(39) + i64(-5)}
    roots = b"".join(frontier(leaves))
    head = at(968, [(0, u16(1)), (2, u16(len(roots) // 32)), (4, u32(968 + len(roots) + 16)), (8, STORE_ID), (24, u64(f["generation"])),
                    (32, u64(f["position"])), (40, u64(f["frame_count"])), (48, u64(f["last_sequence"])), (56, u64(f["last_commit"])),
                    (64, u64(f["epoch"])), (72, i64(f["commit_time"])), (80, f["chain_head"]), (112, u64(f["boot_records"])), (120, f["boot_sum"])]
              + [(136 + 16 * i, v) for i, v in kinds.items()] + [(648 + 24 * i, v) for i, v in lanes.items()]) + roots
    page.case("header", **f, frontier=roots, kinds=b"".join(u8(i) + v for i, v in kinds.items()), lanes=b"".join(u8(i) + v for i, v in lanes.items()),
              bytes=head + u128(tagged128(b"\5header", head)))

    entries = [(table, bytes([table]) * size, bytes(range(size))) for table in (1, 2, 3, 4) for size in (1, 8, 20)]
    counts, sums = {t: 0 for t in (1, 2, 3, 4)}, {t: [0] * 256 for t in (1, 2, 3, 4)}
    for table, key, value in entries:
        bucket = xxh64(0, u8(table) + key) % 256
        sums[table][bucket] = (sums[table][bucket] + tagged128(u8(table) + key, value)) % 2**128
        counts[table] += 1
    digest = u16(1) + bytes(6) + b"".join(u64(counts[t]) + b"".join(u128(s) for s in sums[t]) for t in (1, 2, 3, 4))
    page.case("digest", entries=b"".join(u8(t) + u8(len(k)) + k + u8(len(v)) + v for t, k, v in entries), bytes=digest + u128(tagged128(b"\5digest", digest)))

    value = u64(7) + u64(4160) + u32(900) + u32(3) + u64(5) + i64(-9)
    page.case("frame entry", key=be8(100), number=7, address=4160, entry_length=900, count=3, commit=5, commit_time=-9, bytes=value + check(4, be8(100), value))
    page.case("surrogate entry", key=be8(100), value=b"\1object:alpha", bytes=b"\1object:alpha" + check(3, be8(100), b"\1object:alpha"))

    sur = be8(100)
    path = b"p" * 401
    text_hash = u128(xxh128(0, b"sha256:example"))
    content = body([(1, 2, b"file"), (4, 2, b"workspace"), (5, 2, b"profile"), (9, 2, b"actor"), (11, 5, i64(5)), (17, 2, b"sha256:example"),
                    (19, 2, b"active"), (21, 2, path)])
    keys = [b"\1" + number(b"profile") + number(b"file") + sur,
            b"\2" + number(b"workspace") + path[:400] + b"\1" + be8(xxh64(0, path)) + sur,
            b"\3" + number(b"actor") + sur,
            b"\4\2" + text_hash + sur,
            b"\5" + number(b"active") + be8(5 + 2**63) + sur]
    page.case("index keys", body=content, tombstone=0, surrogate=100, keys=b"".join(u16(len(k)) + k for k in keys))
    content = body([(17, 8, b"\x0f" * 32)])
    keys = [b"\1" + bytes(16) + sur, b"\3" + bytes(8) + sur, b"\4\x08" + b"\x0f" * 32 + sur, b"\5" + bytes(8) + be8(2**63) + sur]
    page.case("index keys of an object that has only a hash", body=content, tombstone=0, surrogate=100, keys=b"".join(u16(len(k)) + k for k in keys))
    page.case("index keys of its tombstone", body=content, tombstone=1, surrogate=100, keys=b"".join(u16(len(k)) + k for k in keys[3:]))
    page.case("index keys with the mark for boot", body=content, tombstone=0, boot=1, surrogate=100, keys=b"".join(u16(len(k)) + k for k in keys + [b"\6" + be8(100)]))
    page.case("index keys of a marked tombstone", body=content, tombstone=1, boot=1, surrogate=100, keys=b"".join(u16(len(k)) + k for k in keys[3:]))
    page.case("index entry", key=keys[0], bytes=check(2, keys[0], b""))
    page.write()


if __name__ == "__main__":
    write_checksums()
    write_merkle()
    write_superblock()
    write_segments()
    write_parity()
    write_events()
    write_frames()
    write_records()
    write_state()
