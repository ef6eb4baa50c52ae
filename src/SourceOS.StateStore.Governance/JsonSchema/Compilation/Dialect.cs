// Why this file exists: which keywords have meaning in a schema is decided by the vocabularies of its meta-schema.
// Invariants: the core vocabulary is always there; a keyword outside the dialect's vocabularies only annotates.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>The vocabularies of draft 2020-12.</summary>
[Flags]
internal enum Vocabularies
{
    None = 0,
    Core = 1,
    Applicator = 2,
    Unevaluated = 4,
    Validation = 8,
    MetaData = 16,
    FormatAnnotation = 32,
    FormatAssertion = 64,
    Content = 128,
}

/// <summary>A meta-schema's identifier and vocabularies.</summary>
/// <param name="Uri">The meta-schema's identifier.</param>
/// <param name="Vocabularies">What its schemas may use.</param>
internal sealed record Dialect(string Uri, Vocabularies Vocabularies)
{
    /// <summary>The meta-schema of the draft.</summary>
    public const string Draft202012Uri = "https://json-schema.org/draft/2020-12/schema";

    private const string VocabularyPrefix = "https://json-schema.org/draft/2020-12/vocab/";

    /// <summary>The draft's own dialect.</summary>
    public static Dialect Draft202012 { get; } = new(
        Draft202012Uri,
        Vocabularies.Core | Vocabularies.Applicator | Vocabularies.Unevaluated | Vocabularies.Validation | Vocabularies.MetaData
        | Vocabularies.FormatAnnotation | Vocabularies.Content);

    /// <summary>Whether any of the vocabularies is in use.</summary>
    public bool Has(Vocabularies vocabularies) => (Vocabularies & vocabularies) != 0;

    /// <summary>The vocabulary an identifier names; none when it is not known.</summary>
    public static Vocabularies ParseVocabulary(string uri) => !uri.StartsWith(VocabularyPrefix, StringComparison.Ordinal)
        ? Vocabularies.None
        : uri[VocabularyPrefix.Length..] switch
        {
            "core" => Vocabularies.Core,
            "applicator" => Vocabularies.Applicator,
            "unevaluated" => Vocabularies.Unevaluated,
            "validation" => Vocabularies.Validation,
            "meta-data" => Vocabularies.MetaData,
            "format-annotation" => Vocabularies.FormatAnnotation,
            "format-assertion" => Vocabularies.FormatAssertion,
            "content" => Vocabularies.Content,
            _ => Vocabularies.None,
        };

    /// <summary>The vocabulary a keyword belongs to; none for a keyword the draft does not have.</summary>
    public static Vocabularies VocabularyOf(string keyword) => keyword switch
    {
        "$id" or "$schema" or "$ref" or "$anchor" or "$dynamicRef" or "$dynamicAnchor" or "$defs" or "$comment" or "$vocabulary"
            => Vocabularies.Core,
        "prefixItems" or "items" or "contains" or "properties" or "patternProperties" or "additionalProperties" or "propertyNames"
            or "dependentSchemas" or "dependencies" or "if" or "then" or "else" or "allOf" or "anyOf" or "oneOf" or "not" => Vocabularies.Applicator,
        "unevaluatedItems" or "unevaluatedProperties" => Vocabularies.Unevaluated,
        "type" or "const" or "enum" or "multipleOf" or "maximum" or "exclusiveMaximum" or "minimum" or "exclusiveMinimum"
            or "maxLength" or "minLength" or "pattern" or "maxItems" or "minItems" or "uniqueItems" or "maxContains" or "minContains"
            or "maxProperties" or "minProperties" or "required" or "dependentRequired" => Vocabularies.Validation,
        "title" or "description" or "default" or "deprecated" or "readOnly" or "writeOnly" or "examples" => Vocabularies.MetaData,
        "format" => Vocabularies.FormatAnnotation | Vocabularies.FormatAssertion,
        "contentEncoding" or "contentMediaType" or "contentSchema" => Vocabularies.Content,
        _ => Vocabularies.None,
    };
}
