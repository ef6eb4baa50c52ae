// Why this file exists: the house rules that a reader of any source file relies on: it says why it exists, it is short, it swallows nothing, and
// nothing in it waits to be done.

using System.Text.RegularExpressions;
using SourceOS.StateStore.Architecture.Tests.Support;

namespace SourceOS.StateStore.Architecture.Tests;

public sealed partial class SourceRulesTests
{
    private const int MaxFileLines = 600;
    private const int MaxMemberLines = 70;

    private static readonly string[] s_codeFolders = ["src", "tests", "bench", "fuzz"];

    // Members that may be longer, each with its reason. Key: path, space, the member's name.
    private static readonly Dictionary<string, string> s_longMembers = new(StringComparer.Ordinal);

    [Fact]
    public void Every_source_file_opens_with_why_it_exists() =>
        Rule.Holds(Code().Where(path => !Repository.Read(path).StartsWith("// Why this file exists: ", StringComparison.Ordinal)));

    [Fact]
    public void No_source_file_is_longer_than_600_lines() =>
        Rule.Holds(Code().Select(path => (Path: path, Lines: Repository.Read(path).Count(c => c == '\n'))).Where(file => file.Lines > MaxFileLines));

    [Fact]
    public void No_member_is_longer_than_70_lines()
    {
        List<string> faults = [];
        foreach (string path in Code())
        {
            foreach (MemberLength member in MemberLengths.Measure(Repository.Read(path)))
            {
                bool isAllowed = s_longMembers.Keys.Any(key => key.StartsWith(path + " ", StringComparison.Ordinal) && member.Header.Contains(key[(path.Length + 1)..], StringComparison.Ordinal));
                if (member.LineCount > MaxMemberLines && !isAllowed)
                {
                    faults.Add($"{path}:{member.Line} {member.Header}: {member.LineCount} lines");
                }
            }
        }

        Rule.Holds(faults);
    }

    [Fact]
    public void Every_exception_from_the_length_rule_still_is_one() =>
        Rule.Holds(s_longMembers.Keys.Where(key =>
        {
            string path = key[..key.IndexOf(' ', StringComparison.Ordinal)];
            return !Repository.Exists(path)
                || !MemberLengths.Measure(Repository.Read(path)).Any(member => member.LineCount > MaxMemberLines && member.Header.Contains(key[(path.Length + 1)..], StringComparison.Ordinal));
        }));

    [Fact]
    public void No_catch_is_empty() =>
        Rule.Holds(Code().Where(path => EmptyCatch().IsMatch(CSharpText.CodeOnly(Repository.Read(path)))));

    [Fact]
    public void Nothing_waits_to_be_done() =>
        Rule.Holds(Code()
            .Where(path => !path.EndsWith("/" + nameof(SourceRulesTests) + ".cs", StringComparison.Ordinal))
            .Where(path => Unfinished().IsMatch(Repository.Read(path))));

    [Fact]
    public void Libraries_bind_natively_with_generated_code_only() =>
        Rule.Holds(Repository.CSharp("src").Where(path => DllImport().IsMatch(CSharpText.CodeOnly(Repository.Read(path)))));

    private static List<string> Code()
    {
        List<string> code = [.. Repository.CSharp(s_codeFolders)];
        Assert.True(code.Count > 100, "The sources were not found.");
        return code;
    }

    [GeneratedRegex(@"\bcatch\b(\s*\([^{]*\))?(\s*when\s*\([^{]*\))?\s*\{\s*\}")]
    private static partial Regex EmptyCatch();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b|NotImplementedException")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"\[\s*DllImport\b")]
    private static partial Regex DllImport();
}
