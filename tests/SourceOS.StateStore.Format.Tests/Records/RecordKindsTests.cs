// Why this file exists: the table of kinds stands in the page and in the code, and the two must be one.

using System.Text;
using System.Text.RegularExpressions;

namespace SourceOS.StateStore.Format.Tests;

public sealed partial class RecordKindsTests
{
    [Fact]
    public void Kinds_are_those_of_the_page()
    {
        MatchCollection rows = KindRow().Matches(SpecPages.Read("records.md"));
        Assert.Equal(rows.Count, RecordKinds.All.Count);
        foreach (Match row in rows)
        {
            RecordKindInfo info = RecordKinds.Get((RecordKind)int.Parse(row.Groups["code"].ValueSpan));
            Assert.Equal(row.Groups["name"].Value, info.Name);
            Assert.Equal(row.Groups["schema"].Value, info.Schema);
            Assert.Equal(row.Groups["id"].Value, info.IdField);
            Assert.Equal(row.Groups["name"].Value, info.Kind.ToString().ToLowerInvariant());
        }
    }

    [Fact]
    public void Fields_are_those_of_the_page()
    {
        string page = SpecPages.Read("records.md");
        page = page[page.IndexOf("## Known fields", StringComparison.Ordinal)..];
        MatchCollection rows = FieldRow().Matches(page);
        Assert.Equal(RecordKinds.All.Count, rows.Count(r => RecordKinds.TryParse(r.Groups["name"].Value, out _)));
        foreach (Match row in rows)
        {
            if (!RecordKinds.TryParse(row.Groups["name"].Value, out RecordKindInfo? info))
            {
                continue;
            }

            string[] fields = row.Groups["fields"].Value.Split(", ");
            Assert.Equal(fields.Length + 1, info.SlotCount);
            for (int i = 0; i < fields.Length; i++)
            {
                KnownField field = info.FieldAt(i + 1);
                Assert.Equal(fields[i], $"{field.Name} {TypeLetter(field.Type)}");
                Assert.Equal(i + 1, field.Slot);
                Assert.Equal(i + 1, info.FindSlot(Encoding.UTF8.GetBytes(field.Name)));
                Assert.Equal(field.Name, Encoding.UTF8.GetString(info.NameUtf8(i + 1)));
            }
        }
    }

    [Fact]
    public void Kinds_are_found_by_name_and_schema()
    {
        foreach (RecordKindInfo info in RecordKinds.All)
        {
            Assert.True(RecordKinds.TryParse(info.Name, out RecordKindInfo? found) && found == info);
            Assert.True(RecordKinds.TryParse(info.PluralName, out found) && found == info);
            Assert.True(RecordKinds.TryParseSchema(info.SchemaUtf8.Span, out found) && found == info);
            Assert.Equal(0, info.FindSlot("schema"u8));
            Assert.Equal(-1, info.FindSlot("schem"u8));
            Assert.Equal(-1, info.FindSlot(info.IdFieldUtf8.Span));
            Assert.True(info.SlotCount <= 64);
        }

        Assert.False(RecordKinds.TryParse("Object", out _));
        Assert.False(RecordKinds.TryParseSchema("sourceos.object-record/v1"u8, out _));
        Assert.False(RecordKinds.IsDefined(0));
        Assert.False(RecordKinds.IsDefined((RecordKind)20));
        Assert.Throws<ArgumentOutOfRangeException>(() => RecordKinds.Get(0));
    }

    private static char TypeLetter(FieldType type) => "?TIDLBHJ"[(int)type];

    [GeneratedRegex(@"^\| (?<code>\d+) \| (?<name>[a-z]+) \| (?<schema>[^ |]+) \| (?<id>[a-z_]+) \|$", RegexOptions.Multiline)]
    private static partial Regex KindRow();

    [GeneratedRegex(@"^\| (?<name>[a-z]+) \| (?<fields>[a-z_0-9]+ [TIDLBHJ](, [a-z_0-9]+ [TIDLBHJ])*) \|$", RegexOptions.Multiline)]
    private static partial Regex FieldRow();
}
