// Why this file exists: the wall between C and managed code. Invariants: no exception crosses it; every call leaves an answer that is either whole or empty; what went wrong is kept for the thread that asked, so one thread's error is never
// read as another's.

using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Native;

/// <summary>A call that ends with a status of its own and an error.</summary>
/// <param name="status">The status.</param>
/// <param name="error">The error.</param>
internal sealed class NativeException(NativeStatus status, DoorError error) : Exception(error.Message)
{
    public NativeStatus Status { get; } = status;

    public DoorError Error { get; } = error;

    public static NativeException Usage(string message, string place) => new(NativeStatus.Usage, new DoorError("usage", message, place));

    public static NativeException BadData(string message, string place = "") => new(NativeStatus.BadData, new DoorError("invalid_input", message, place));

    public static NativeException NotFound(string message, string place) => new(NativeStatus.NotFound, new DoorError("not_found", message, place));
}

/// <summary>Makes calls.</summary>
internal static unsafe class NativeCall
{
    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [ThreadStatic]
    private static DoorError? t_error;

    /// <summary>The error of this thread's last call; null when it went well.</summary>
    public static DoorError? LastError => t_error;

    /// <summary>Runs a call that gives an answer.</summary>
    /// <param name="answer">Where the answer goes.</param>
    /// <param name="body">Gives the answer.</param>
    public static int Answer(NativeBuffer* answer, Func<ReadOnlyMemory<byte>> body)
    {
        if (answer is null)
        {
            return (int)Fail(NativeStatus.Usage, new DoorError("usage", "The buffer for the answer is NULL.", "out"));
        }

        *answer = default;
        return Run(() => Give(answer, body()));
    }

    /// <summary>Runs a call on a store that gives an answer.</summary>
    /// <param name="handle">The store.</param>
    /// <param name="answer">Where the answer goes.</param>
    /// <param name="body">Gives the answer.</param>
    public static int Answer(nint handle, NativeBuffer* answer, Func<NativeStore, ReadOnlyMemory<byte>> body) =>
        Answer(answer, () => With(handle, body));

    /// <summary>Runs a call.</summary>
    /// <param name="body">The call.</param>
    public static int Run(Action body)
    {
        try
        {
            t_error = null;
            body();
            return (int)NativeStatus.Ok;
        }
        catch (Exception exception)
        {
            (NativeStatus status, DoorError error) = Of(exception);
            return (int)Fail(status, error);
        }
    }

    /// <summary>Uses what a handle stands for.</summary>
    public static TResult With<T, TResult>(nint handle, Func<T, TResult> body)
        where T : NativeObject
    {
        T item = Handles.Share<T>(handle) ?? throw new NativeException(NativeStatus.Closed, new DoorError("closed", "The handle is closed, or is not one of this kind.", "handle", Next: "Open it again, and use it before it is closed."));
        try
        {
            return body(item);
        }
        finally
        {
            item.GiveBack();
        }
    }

    /// <inheritdoc cref="With{T, TResult}"/>
    public static TResult With<TResult>(nint handle, Func<NativeStore, TResult> body) => With<NativeStore, TResult>(handle, body);

    /// <summary>Builds a JSON document.</summary>
    public static ReadOnlyMemory<byte> Json(Action<Utf8JsonWriter> build)
    {
        ArrayBufferWriter<byte> buffer = new(512);
        using (Utf8JsonWriter writer = new(buffer, s_json))
        {
            build(writer);
        }

        return buffer.WrittenMemory;
    }

    /// <summary>Copies an answer to memory that the caller frees.</summary>
    public static void Give(NativeBuffer* answer, ReadOnlyMemory<byte> bytes)
    {
        // One byte more, and zero, so that a program that prints it as text prints its end.
        byte* data = (byte*)NativeMemory.Alloc((nuint)bytes.Length + 1);
        bytes.Span.CopyTo(new Span<byte>(data, bytes.Length));
        data[bytes.Length] = 0;
        answer->Data = data;
        answer->LengthBytes = (nuint)bytes.Length;
    }

    private static NativeStatus Fail(NativeStatus status, DoorError error)
    {
        t_error = error;
        return status;
    }

    private static (NativeStatus Status, DoorError Error) Of(Exception exception) => exception switch
    {
        NativeException native => (native.Status, native.Error),
        StateStoreException store => (StatusOf(store.Code), DoorError.Of(store, store.Place)),
        ArgumentException argument => (NativeStatus.BadData, new DoorError("invalid_input", FirstLine(argument.Message))),
        DllNotFoundException missing => (NativeStatus.InputOutput, new DoorError("native_library_missing", FirstLine(missing.Message), Next: "Install the packages liblmdb0, libxxhash0, liblz4-1 and libssl3.")),
        UnauthorizedAccessException denied => (NativeStatus.InputOutput, new DoorError("access_denied", denied.Message)),
        IOException io => (NativeStatus.InputOutput, new DoorError("input_output", io.Message)),
        OutOfMemoryException => (NativeStatus.InputOutput, new DoorError("out_of_memory", "The process has not enough memory for this call.")),
        _ => (NativeStatus.Internal, new DoorError("internal", $"Internal error: {exception.GetType().Name}: {FirstLine(exception.Message)}", Next: "Please report this, with the call that caused it.")),
    };

    private static NativeStatus StatusOf(StateStoreErrorCode code) => code switch
    {
        StateStoreErrorCode.NotInitialized => NativeStatus.NotFound,
        StateStoreErrorCode.Locked => NativeStatus.Locked,
        StateStoreErrorCode.AlreadyExists or StateStoreErrorCode.InvalidInput => NativeStatus.BadData,
        StateStoreErrorCode.Closed => NativeStatus.Closed,
        _ when DoorError.IsUnsafe(code) => NativeStatus.Unsafe,
        _ => NativeStatus.InputOutput,
    };

    private static string FirstLine(string text)
    {
        int end = text.IndexOfAny(['\r', '\n']);
        return end < 0 ? text : text[..end];
    }
}
