// Why this file exists: the rulers of format-spec as tables: superblock.md, segments.md, frames.md, events.md, records.md, lmdb-layout.md. Invariants: rows of one
// table stand in order and without gaps (a test checks), so no byte of a structure goes unseen.

namespace SourceOS.StateStore.Cli.Inspect;

/// <summary>The format's structures.</summary>
internal static class Rulers
{
    /// <summary>One slot of the superblock.</summary>
    public static readonly FieldRow[] Superblock = Build(
        "8 magic T|2 format_version U|2 lowest_reader_version U|4 flags U|16 store_id H|8 update_counter U|8 state_generation U|8 created_at D|1 log_page_bits U"
        + "|1 segment_bits U|6 reserved Z|8 base_address U|8 base_frame U|8 base_sequence U|32 base_chain_head H|32 base_state_digest H|2 frontier_count U|6 reserved Z"
        + "|1536 frontier H|64 writer_build T|2332 reserved Z|4 crc32c H");

    /// <summary>A segment's header.</summary>
    public static readonly FieldRow[] Segment = Build(
        "8 magic T|2 format_version U|2 lowest_reader_version U|4 flags U|16 store_id H|8 segment_number U|8 first_address U|1 log_page_bits U|1 segment_bits U|6 reserved Z"
        + "|8 created_at D|8 writer_epoch U|4020 reserved Z|4 crc32c H");

    /// <summary>A tail slot.</summary>
    public static readonly FieldRow[] TailSlot = Build(
        "8 magic T|2 format_version U|2 slot_index U|4 flags U|16 store_id H|8 segment_number U|8 generation U|8 durable_before U|8 tail U|8 frame_count U|8 last_sequence U"
        + "|8 writer_epoch U|32 chain_head H|8 written_at D|8 block_address U|4 block_length U|4 block_crc32c H|8 state_transaction U|8 state_generation U|3932 reserved Z"
        + "|4 crc32c H|4096 block_copy H");

    /// <summary>A frame's header.</summary>
    public static readonly FieldRow[] Frame = Build(
        "4 magic T|2 header_length U|2 format_version U|4 flags U|4 event_count U|16 store_id H|8 writer_epoch U|8 frame_number U|8 commit_id U|4 index_in_commit U|4 reserved Z"
        + "|8 first_sequence U|8 log_address U|8 commit_time D|8 durable_frames U|32 previous_frame_hash H|32 events_root H|4 body_area_length U|88 reserved Z|4 crc32c H");

    /// <summary>The head of a frame's body area.</summary>
    public static readonly FieldRow[] BodyHead = Build("1 codec U|1 flags U|2 reserved Z|4 stored_length U|4 raw_length U|4 crc32c H");

    /// <summary>An event's fixed part.</summary>
    public static readonly FieldRow[] Event = Build(
        "1 version U|1 lane U|1 action U|1 subject_kind U|4 total_length U|8 sequence U|8 previous_sequence U|8 occurred_at D|2 image_flags U|2 type_length U|2 actor_length U"
        + "|2 device_length U|2 profile_length U|2 workspace_length U|2 subject_id_length U|2 decision_id_length U|4 data_length U|4 image_length U|8 reserved Z");

    /// <summary>A record's envelope.</summary>
    public static readonly FieldRow[] Envelope = Build("1 kind U|1 version U|2 flags U|4 body_length U|8 sequence U|8 surrogate U|16 hash H");

    /// <summary>A record body's head.</summary>
    public static readonly FieldRow[] Body = Build("2 slot_count U|2 body_version U|4 extension_offset U");

    /// <summary>A meta page of the state database.</summary>
    public static readonly FieldRow[] LmdbMeta = Build(
        "8 page_number U|2 pad U|2 page_flags U|4 lower_upper U|4 magic H|4 version U|8 map_address U|8 map_size U|4 page_size U|2 free_flags U|2 free_depth U|8 free_branch_pages U"
        + "|8 free_leaf_pages U|8 free_overflow_pages U|8 free_entries U|8 free_root U|4 main_pad U|2 main_flags U|2 main_depth U|8 main_branch_pages U|8 main_leaf_pages U"
        + "|8 main_overflow_pages U|8 main_entries U|8 main_root U|8 last_page U|8 transaction U");

    // "length name kind" separated by bars; offsets follow from the lengths, so a table cannot have a gap.
    private static FieldRow[] Build(string rows)
    {
        List<FieldRow> table = [];
        int offset = 0;
        foreach (string row in rows.Split('|'))
        {
            string[] parts = row.Split(' ');
            int length = int.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture);
            FieldKind kind = parts[2] switch
            {
                "U" => FieldKind.Unsigned,
                "D" => FieldKind.Time,
                "H" => FieldKind.Hex,
                "T" => FieldKind.Text,
                _ => FieldKind.Zero,
            };
            table.Add(new FieldRow(offset, length, parts[1], kind));
            offset += length;
        }

        return [.. table];
    }
}
