// Why this file exists: corruption and I/O reach every caller as one exception type with a code, a place and a retry flag.
// Invariants: misuse of the API throws Argument exceptions instead, and expected outcomes are statuses; neither comes through here.

namespace SourceOS.StateStore;

/// <summary>
/// The store, or the machine under it, is not as it must be. The message says what happened, where, and what to do next;
/// <see cref="Code"/>, <see cref="Place"/> and <see cref="IsRetryable"/> say the same to programs.
/// </summary>
public sealed class StateStoreException : Exception
{
    /// <summary>Creates an exception.</summary>
    /// <param name="code">What went wrong.</param>
    /// <param name="message">What happened, in a sentence.</param>
    /// <param name="place">Where: a file with an offset, a sequence, a record. Empty when it has no place.</param>
    /// <param name="next">What the caller can do about it, in a sentence. Empty when there is nothing.</param>
    /// <param name="isRetryable">Whether the same call may succeed later without any change by the caller.</param>
    /// <param name="innerException">The cause, when another exception is one.</param>
    public StateStoreException(
        StateStoreErrorCode code,
        string message,
        string place = "",
        string next = "",
        bool isRetryable = false,
        Exception? innerException = null)
        : base(message, innerException)
    {
        Code = code;
        Place = place;
        Next = next;
        IsRetryable = isRetryable;
    }

    /// <summary>What went wrong.</summary>
    public StateStoreErrorCode Code { get; }

    /// <summary>Where it went wrong; empty when it has no place.</summary>
    public string Place { get; }

    /// <summary>What to do next; empty when there is nothing to do.</summary>
    public string Next { get; }

    /// <summary>Whether the same call may succeed later without any change by the caller.</summary>
    public bool IsRetryable { get; }

    /// <inheritdoc/>
    public override string Message
    {
        get
        {
            string where = Place.Length == 0 ? "" : $" [{Place}]";
            string next = Next.Length == 0 ? "" : $" {Next}";
            return base.Message + where + next;
        }
    }

    /// <summary>The message without its place and advice, for doors that show those apart.</summary>
    public string Summary => base.Message;
}
