// Why this file exists: \p{...} names of ECMA-262 (general categories by every alias, scripts, binary properties) become sets.
// Invariants: names are exact, as ECMA-262 demands; an unknown name is answered with null, never guessed; tables are built once
// and never change.

using System.Globalization;

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Sets of code points by property name.</summary>
internal static class UnicodeProperties
{
    private const string ResourceName = "SourceOS.StateStore.Governance.JsonSchema.Patterns.unicode-properties.txt";

    private static readonly Lazy<CodePointSet[]> s_categories = new(ScanCategories);
    private static readonly Lazy<Dictionary<string, string>> s_tables = new(LoadTables);

    /// <summary>Names of the general categories: every alias, then the two-letter codes it stands for.</summary>
    private static readonly Dictionary<string, string> s_categoryNames = NameCategories();

    /// <summary>The set that a name between the braces of \p{...} stands for; null when ECMA-262 has no such name.</summary>
    public static CodePointSet? Find(string expression)
    {
        switch (expression)
        {
            case "Any":
                return CodePointSet.All;
            case "ASCII":
                return CodePointSet.FromRanges([(0, 0x7F)]);
            case "Assigned":
                return Category("Cn").Complement();
        }

        int equals = expression.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0)
        {
            return s_categoryNames.TryGetValue(expression, out string? codes) ? Category(codes) : Table(expression);
        }

        string name = expression[..equals];
        string value = expression[(equals + 1)..];
        return name switch
        {
            "gc" or "General_Category" => s_categoryNames.TryGetValue(value, out string? codes) ? Category(codes) : null,
            "sc" or "Script" => Table("sc=" + value),
            "scx" or "Script_Extensions" => Table("scx=" + value),
            _ => null,
        };
    }

    /// <summary>A table of the resource by the name it has there; null when there is none.</summary>
    public static CodePointSet? Table(string name)
    {
        if (!s_tables.Value.TryGetValue(name, out string? text))
        {
            return null;
        }

        List<(int First, int Last)> ranges = [];
        int previous = 0;
        foreach (Range part in text.AsSpan().Split(','))
        {
            ReadOnlySpan<char> range = text.AsSpan()[part];
            int dot = range.IndexOf('.');
            int first = previous + Hex(dot < 0 ? range : range[..dot]);
            previous = first + (dot < 0 ? 0 : Hex(range[(dot + 1)..]));
            ranges.Add((first, previous));
        }

        return CodePointSet.FromRanges(ranges);
    }

    private static int Hex(ReadOnlySpan<char> text) => int.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private static CodePointSet Category(string codes)
    {
        List<(int First, int Last)> ranges = [];
        foreach (string code in codes.Split(' '))
        {
            s_categories.Value[(int)CategoryOf(code)].AddTo(ranges);
        }

        return CodePointSet.FromRanges(ranges);
    }

    private static CodePointSet[] ScanCategories()
    {
        List<(int First, int Last)>[] ranges = new List<(int, int)>[30];
        for (int i = 0; i < ranges.Length; i++)
        {
            ranges[i] = [];
        }

        int first = 0;
        UnicodeCategory current = CharUnicodeInfo.GetUnicodeCategory(0);
        for (int codePoint = 1; codePoint <= CodePointSet.Last + 1; codePoint++)
        {
            UnicodeCategory category = codePoint > CodePointSet.Last ? (UnicodeCategory)(-1) : CharUnicodeInfo.GetUnicodeCategory(codePoint);
            if (category != current)
            {
                ranges[(int)current].Add((first, codePoint - 1));
                first = codePoint;
                current = category;
            }
        }

        return Array.ConvertAll(ranges, CodePointSet.FromRanges);
    }

    private static Dictionary<string, string> LoadTables()
    {
        using Stream stream = typeof(UnicodeProperties).Assembly.GetManifestResourceStream(ResourceName)
            ?? throw new InvalidOperationException("The assembly was built without its Unicode property table.");
        using StreamReader reader = new(stream);
        Dictionary<string, string> tables = new(StringComparer.Ordinal);
        while (reader.ReadLine() is { } line)
        {
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            if (line.StartsWith('#') || space < 0)
            {
                continue;
            }

            foreach (string name in line[..space].Split('|'))
            {
                tables[name] = line[(space + 1)..];
            }
        }

        return tables;
    }

    private static UnicodeCategory CategoryOf(string code) => code switch
    {
        "Lu" => UnicodeCategory.UppercaseLetter,
        "Ll" => UnicodeCategory.LowercaseLetter,
        "Lt" => UnicodeCategory.TitlecaseLetter,
        "Lm" => UnicodeCategory.ModifierLetter,
        "Lo" => UnicodeCategory.OtherLetter,
        "Mn" => UnicodeCategory.NonSpacingMark,
        "Mc" => UnicodeCategory.SpacingCombiningMark,
        "Me" => UnicodeCategory.EnclosingMark,
        "Nd" => UnicodeCategory.DecimalDigitNumber,
        "Nl" => UnicodeCategory.LetterNumber,
        "No" => UnicodeCategory.OtherNumber,
        "Zs" => UnicodeCategory.SpaceSeparator,
        "Zl" => UnicodeCategory.LineSeparator,
        "Zp" => UnicodeCategory.ParagraphSeparator,
        "Cc" => UnicodeCategory.Control,
        "Cf" => UnicodeCategory.Format,
        "Cs" => UnicodeCategory.Surrogate,
        "Co" => UnicodeCategory.PrivateUse,
        "Pc" => UnicodeCategory.ConnectorPunctuation,
        "Pd" => UnicodeCategory.DashPunctuation,
        "Ps" => UnicodeCategory.OpenPunctuation,
        "Pe" => UnicodeCategory.ClosePunctuation,
        "Pi" => UnicodeCategory.InitialQuotePunctuation,
        "Pf" => UnicodeCategory.FinalQuotePunctuation,
        "Po" => UnicodeCategory.OtherPunctuation,
        "Sm" => UnicodeCategory.MathSymbol,
        "Sc" => UnicodeCategory.CurrencySymbol,
        "Sk" => UnicodeCategory.ModifierSymbol,
        "So" => UnicodeCategory.OtherSymbol,
        _ => UnicodeCategory.OtherNotAssigned,
    };

    private static Dictionary<string, string> NameCategories()
    {
        string[] lines =
        [
            "Lu|Uppercase_Letter:Lu", "Ll|Lowercase_Letter:Ll", "Lt|Titlecase_Letter:Lt", "LC|Cased_Letter:Lu Ll Lt",
            "Lm|Modifier_Letter:Lm", "Lo|Other_Letter:Lo", "L|Letter:Lu Ll Lt Lm Lo", "Mn|Nonspacing_Mark:Mn", "Mc|Spacing_Mark:Mc",
            "Me|Enclosing_Mark:Me", "M|Mark|Combining_Mark:Mn Mc Me", "Nd|Decimal_Number|digit:Nd", "Nl|Letter_Number:Nl",
            "No|Other_Number:No", "N|Number:Nd Nl No", "Pc|Connector_Punctuation:Pc", "Pd|Dash_Punctuation:Pd",
            "Ps|Open_Punctuation:Ps", "Pe|Close_Punctuation:Pe", "Pi|Initial_Punctuation:Pi", "Pf|Final_Punctuation:Pf",
            "Po|Other_Punctuation:Po", "P|Punctuation|punct:Pc Pd Ps Pe Pi Pf Po", "Sm|Math_Symbol:Sm", "Sc|Currency_Symbol:Sc",
            "Sk|Modifier_Symbol:Sk", "So|Other_Symbol:So", "S|Symbol:Sm Sc Sk So", "Zs|Space_Separator:Zs", "Zl|Line_Separator:Zl",
            "Zp|Paragraph_Separator:Zp", "Z|Separator:Zs Zl Zp", "Cc|Control|cntrl:Cc", "Cf|Format:Cf", "Cs|Surrogate:Cs",
            "Co|Private_Use:Co", "Cn|Unassigned:Cn", "C|Other:Cc Cf Cs Co Cn",
        ];
        Dictionary<string, string> names = new(StringComparer.Ordinal);
        foreach (string line in lines)
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            foreach (string name in line[..colon].Split('|'))
            {
                names[name] = line[(colon + 1)..];
            }
        }

        return names;
    }
}
