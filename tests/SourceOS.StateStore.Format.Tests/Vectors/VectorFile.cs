// Why this file exists: reads the vectors of the specification (format-spec/vectors/README.md).

using System.Globalization;

namespace SourceOS.StateStore.Format.Tests;

internal sealed class VectorCase(string title)
{
    private readonly Dictionary<string, string> _values = [];

    internal string Title => title;

    internal bool Has(string name) => _values.ContainsKey(name);

    internal byte[] Bytes(string name) => VectorFile.ParseBytes(_values[name]);

    internal Hash256 Hash(string name) => new(Bytes(name));

    internal StoreId StoreId => new(Bytes("store-id"));

    internal string Text(string name) => _values[name].Trim('"');

    internal byte[] Utf8(string name) => System.Text.Encoding.UTF8.GetBytes(Text(name));

    internal long Number(string name) => long.Parse(_values[name], CultureInfo.InvariantCulture);

    internal int Int(string name) => (int)Number(name);

    internal ulong Unsigned(string name) => ulong.Parse(_values[name], CultureInfo.InvariantCulture);

    internal void Add(string name, string value) => _values.Add(name, value);

    internal void Continue(string name, string value) => _values[name] += " " + value;
}

internal static class VectorFile
{
    internal static IReadOnlyList<VectorCase> Read(string name)
    {
        var cases = new List<VectorCase>();
        string last = "";
        foreach (string line in Lines(name))
        {
            if (line.StartsWith("  ", StringComparison.Ordinal))
            {
                cases[^1].Continue(last, line.Trim());
                continue;
            }

            int colon = line.IndexOf(": ", StringComparison.Ordinal);
            last = line[..colon];
            if (last == "case")
            {
                cases.Add(new VectorCase(line[(colon + 2)..]));
            }
            else
            {
                cases[^1].Add(last, line[(colon + 2)..]);
            }
        }

        Assert.NotEmpty(cases);
        return cases;
    }

    internal static VectorCase Find(string name, string title) => Read(name).Single(c => c.Title == title);

    internal static IEnumerable<string> Lines(string name) =>
        File.ReadLines(Path.Combine(SpecPages.Folder, "vectors", name)).Where(l => l.Length > 0 && !l.StartsWith('#'));

    internal static byte[] ParseBytes(string text)
    {
        var bytes = new List<byte>();
        foreach (string piece in text.Split([' ', '_'], StringSplitOptions.RemoveEmptyEntries).Where(p => p != "-"))
        {
            int times = piece.IndexOf('x');
            if (times < 0)
            {
                bytes.AddRange(Convert.FromHexString(piece));
            }
            else
            {
                bytes.AddRange(Enumerable.Repeat(Convert.FromHexString(piece.AsSpan(0, times))[0], int.Parse(piece.AsSpan(times + 1), CultureInfo.InvariantCulture)));
            }
        }

        return [.. bytes];
    }
}
