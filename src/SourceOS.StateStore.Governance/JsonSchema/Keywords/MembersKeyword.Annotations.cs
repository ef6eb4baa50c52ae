// Why this file exists: the annotations of the members keywords, which only some callers ask for.
// Invariants: runs after the keyword passed; a second pass over the names, since the first keeps no lists.

using System.Text.Json;

namespace SourceOS.StateStore.Governance.JsonSchema;

internal sealed partial class MembersKeyword
{
    private void AnnotateMembers(ref Evaluation evaluation, int index)
    {
        // Lists of names cost memory as well as time.
        const int StepsPerName = 16;
        if (!evaluation.Charge((long)StepsPerName * evaluation.Node(index).Count))
        {
            return;
        }

        List<string> properties = [];
        List<string> patterns = [];
        List<string> additional = [];
        bool hasProperties = Array.Exists(_properties, edge => edge is not null);
        int end = evaluation.Node(index).Next;
        for (int child = index + 1; child < end; child = evaluation.Node(child).Next)
        {
            string name = evaluation.NameText(child);
            int slot = _names.Find(evaluation.Name(child));
            bool known = slot >= 0 && _properties[slot] is not null;
            bool matched = false;
            foreach ((EcmaPattern pattern, _) in _patterns)
            {
                matched |= evaluation.IsMatch(pattern, evaluation.Name(child));
            }

            if (known)
            {
                properties.Add(name);
            }

            if (matched)
            {
                patterns.Add(name);
            }

            if (!known && !matched)
            {
                additional.Add(name);
            }
        }

        AnnotateNames(ref evaluation, "/properties", index, hasProperties, properties);
        AnnotateNames(ref evaluation, "/patternProperties", index, _patterns.Length > 0, patterns);
        AnnotateNames(ref evaluation, "/additionalProperties", index, _additional is not null, additional);
    }

    private void AnnotateNames(ref Evaluation evaluation, string segment, int index, bool present, List<string> names)
    {
        if (present)
        {
            evaluation.Annotate(Owner, segment, index, WriteNames(names));
        }
    }

    /// <summary>A JSON array of names.</summary>
    internal static byte[] WriteNames(List<string> names)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream))
        {
            writer.WriteStartArray();
            foreach (string name in names)
            {
                writer.WriteStringValue(name);
            }

            writer.WriteEndArray();
        }

        return stream.ToArray();
    }
}
