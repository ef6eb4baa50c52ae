// Why this file exists: one table from the format names of the draft to the functions that check them.
// Invariants: checks are pure, run on decoded UTF-8, allocate nothing on the common path and are bounded by the text; a name that
// is not here has no check, as the draft demands of unknown formats.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Checks one string against a format.</summary>
/// <param name="text">The decoded string.</param>
internal delegate bool FormatCheck(ReadOnlySpan<byte> text);

/// <summary>The formats of draft 2020-12.</summary>
internal static class SchemaFormats
{
    /// <summary>The check for a format name; null for an unknown format.</summary>
    public static FormatCheck? Find(string name) => name switch
    {
        "date-time" => TimeFormats.IsDateTime,
        "date" => TimeFormats.IsDate,
        "time" => TimeFormats.IsTime,
        "duration" => TimeFormats.IsDuration,
        "email" => EmailFormats.IsEmail,
        "idn-email" => EmailFormats.IsIdnEmail,
        "hostname" => HostnameFormats.IsHostname,
        "idn-hostname" => HostnameFormats.IsIdnHostname,
        "ipv4" => AddressFormats.IsIpv4,
        "ipv6" => AddressFormats.IsIpv6,
        "uri" => UriFormats.IsUri,
        "uri-reference" => UriFormats.IsUriReference,
        "iri" => UriFormats.IsIri,
        "iri-reference" => UriFormats.IsIriReference,
        "uuid" => TextFormats.IsUuid,
        "uri-template" => UriTemplateFormat.IsUriTemplate,
        "json-pointer" => TextFormats.IsJsonPointer,
        "relative-json-pointer" => TextFormats.IsRelativeJsonPointer,
        "regex" => TextFormats.IsRegex,
        _ => null,
    };
}
