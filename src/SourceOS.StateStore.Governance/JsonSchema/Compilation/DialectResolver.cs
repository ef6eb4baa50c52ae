// Why this file exists: turns a $schema into a dialect, from the batch or from what is registered, never from a network.
// Invariants: a dialect is usable only when every vocabulary it requires is known; each failure is reported where it is declared.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Finds the document and place that an identifier names.</summary>
internal delegate SchemaSource? DocumentFinder(string uri, out int place);

/// <summary>Resolves dialects for one batch.</summary>
internal sealed class DialectResolver
{
    private readonly BatchErrors _errors;
    private readonly DocumentFinder _find;
    private readonly Dictionary<string, Dialect> _known = new(StringComparer.Ordinal) { [Dialect.Draft202012Uri] = Dialect.Draft202012 };

    public DialectResolver(BatchErrors errors, DocumentFinder find)
    {
        _errors = errors;
        _find = find;
    }

    /// <summary>The dialect of a <c>$schema</c>; null after complaining.</summary>
    /// <param name="schemaUri">The value of <c>$schema</c>.</param>
    /// <param name="source">The document that declares it.</param>
    /// <param name="place">Where it is declared.</param>
    public Dialect? Resolve(string schemaUri, SchemaSource source, int place)
    {
        UriReference reference = UriReference.Parse(schemaUri);
        string uri = reference.ToResourceUri();
        if (_known.TryGetValue(uri, out Dialect? dialect))
        {
            return dialect;
        }

        if (!reference.IsAbsolute || !string.IsNullOrEmpty(reference.Fragment))
        {
            return Refuse(source, place, $"$schema must be an absolute identifier without a fragment, not \"{schemaUri}\"");
        }

        SchemaSource? metaSchema = _find(uri, out int root);
        if (metaSchema is null)
        {
            string reason = IsOlderDraft(uri)
                ? "is an older draft, and this evaluator knows draft 2020-12 alone"
                : "is neither draft 2020-12 nor a registered meta-schema";
            return Refuse(source, place, $"$schema {uri} {reason}");
        }

        int vocabulary = metaSchema.Tape.Member(root, "$vocabulary");
        if (vocabulary < 0 || metaSchema.Tape.Kind(vocabulary) != JsonKind.Object)
        {
            return Refuse(source, place, $"the meta-schema {uri} declares no $vocabulary, so what its keywords mean is unknown");
        }

        Vocabularies vocabularies = Vocabularies.Core;
        JsonTape tape = metaSchema.Tape;
        for (int child = JsonTape.FirstChild(vocabulary); child < tape.Next(vocabulary); child = tape.Next(child))
        {
            Vocabularies known = Dialect.ParseVocabulary(tape.Name(child));
            if (known == Vocabularies.None && tape.Kind(child) == JsonKind.True)
            {
                return Refuse(source, place, $"the meta-schema {uri} requires the vocabulary {tape.Name(child)}, which is not known");
            }

            vocabularies |= known;
        }

        dialect = new Dialect(uri, vocabularies);
        _known.Add(uri, dialect);
        return dialect;
    }

    private Dialect? Refuse(SchemaSource source, int place, string message)
    {
        _errors.Add(SchemaRegistrationErrorCode.UnsupportedDialect, source, place, message);
        return null;
    }

    private static bool IsOlderDraft(string uri) =>
        uri.StartsWith("http://json-schema.org/draft-0", StringComparison.Ordinal)
        || uri.StartsWith("https://json-schema.org/draft-0", StringComparison.Ordinal)
        || uri.StartsWith("https://json-schema.org/draft/2019-09/", StringComparison.Ordinal);
}
