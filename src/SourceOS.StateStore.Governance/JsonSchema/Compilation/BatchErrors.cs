// Why this file exists: collects what is wrong with a batch, bounded, so that a hostile batch cannot fill memory with complaints.
// Invariants: at most 1,000 errors are kept; Any stays true beyond that.

namespace SourceOS.StateStore.Governance.JsonSchema;

/// <summary>Errors of one batch.</summary>
internal sealed class BatchErrors
{
    private const int MaxErrors = 1000;

    private readonly List<SchemaRegistrationError> _errors = [];

    /// <summary>Whether there is an error.</summary>
    public bool Any => _errors.Count > 0;

    /// <summary>The errors.</summary>
    public IReadOnlyList<SchemaRegistrationError> ToList() => [.. _errors];

    /// <summary>Adds an error at a place of a document.</summary>
    public void Add(SchemaRegistrationErrorCode code, SchemaSource source, int place, string message)
    {
        if (_errors.Count < MaxErrors)
        {
            Add(code, source.RootUri, source.Pointer(place), message);
        }
    }

    /// <summary>Adds an error.</summary>
    public void Add(SchemaRegistrationErrorCode code, string uri, string location, string message)
    {
        if (_errors.Count < MaxErrors)
        {
            _errors.Add(new SchemaRegistrationError(code, uri, location, message));
        }
    }

    /// <summary>Removes complaints about keywords of a document that its meta-schema complains about in better words.</summary>
    public void RemoveKeywordErrors(string uri) =>
        _errors.RemoveAll(error => error.Code == SchemaRegistrationErrorCode.InvalidKeyword && error.SchemaUri == uri);
}
