// Why this file exists: how long each member of a type is, by counting braces. Invariants: a member's lines run from its header to its closing
// brace; initialised tables of data (`= new ... {`) are not members with logic and are left out.

using System.Text.RegularExpressions;

namespace SourceOS.StateStore.Architecture.Tests.Support;

/// <summary>A member with a body.</summary>
/// <param name="Header">Its header on one line.</param>
/// <param name="Line">The line it starts on, from 1.</param>
/// <param name="LineCount">Lines from header to closing brace.</param>
internal sealed record MemberLength(string Header, int Line, int LineCount);

/// <summary>Measures members.</summary>
internal static partial class MemberLengths
{
    private enum Scope
    {
        Type,
        Member,
        Inner,
    }

    /// <summary>Measures every member of a C# source.</summary>
    internal static IReadOnlyList<MemberLength> Measure(string source)
    {
        string code = CSharpText.CodeOnly(source);
        List<MemberLength> members = [];
        Stack<(Scope Scope, string Header, int Line)> open = new();
        int headerStart = 0;
        int line = 1;
        for (int i = 0; i < code.Length; i++)
        {
            switch (code[i])
            {
                case '\n':
                    line++;
                    break;
                case ';':
                    headerStart = i + 1;
                    break;
                case '{':
                    string raw = code[headerStart..i];
                    string header = Spaces().Replace(raw, " ").Trim();
                    bool isAtTypeLevel = open.Count == 0 || open.Peek().Scope == Scope.Type;
                    Scope scope = !isAtTypeLevel ? Scope.Inner : TypeKeyword().IsMatch(header) ? Scope.Type : Scope.Member;
                    open.Push((scope, header, line - raw.TrimStart().Count(c => c == '\n')));
                    headerStart = i + 1;
                    break;
                case '}':
                    headerStart = i + 1;
                    if (open.TryPop(out (Scope Scope, string Header, int Line) closed) && closed.Scope == Scope.Member && !DataTable().IsMatch(closed.Header))
                    {
                        members.Add(new MemberLength(closed.Header, closed.Line, line - closed.Line + 1));
                    }

                    break;
            }
        }

        return members;
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    [GeneratedRegex(@"(^|[\s\]])(namespace|class|struct|interface|enum|record|extension)\b")]
    private static partial Regex TypeKeyword();

    [GeneratedRegex(@"[^=<>!]=\s*(new\b.*)?$")]
    private static partial Regex DataTable();
}
