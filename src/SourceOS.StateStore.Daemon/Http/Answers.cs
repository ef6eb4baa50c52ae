// Why this file exists: how the door answers: JSON in the contract's shapes, errors included. Invariants: a document is built whole before its first byte is sent, so a fault half-way gives an error and not half a document; each status
// follows from the error's code by one table.

using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using SourceOS.StateStore.Governance.Doors;

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>Answers requests.</summary>
internal static class Answers
{
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Answers with a JSON document.</summary>
    /// <param name="context">The request.</param>
    /// <param name="build">Builds the document.</param>
    /// <param name="status">The status.</param>
    public static Task JsonAsync(HttpContext context, Action<Utf8JsonWriter> build, int status = StatusCodes.Status200OK) =>
        BytesAsync(context, Build(build), "application/json; charset=utf-8", status);

    /// <summary>Answers with an error in the contract's shape.</summary>
    /// <param name="context">The request.</param>
    /// <param name="status">The status.</param>
    /// <param name="error">The error.</param>
    public static Task ErrorAsync(HttpContext context, int status, DoorError error) => JsonAsync(context, error.Write, status);

    /// <summary>Answers that the request makes no sense.</summary>
    /// <param name="context">The request.</param>
    /// <param name="message">Why.</param>
    /// <param name="place">Which part of it.</param>
    public static Task BadRequestAsync(HttpContext context, string message, string place) =>
        ErrorAsync(context, StatusCodes.Status400BadRequest, new DoorError("invalid_input", message, place, Next: "Correct the request; the same one fails again."));

    /// <summary>Answers that there is nothing by this name that the reader may see.</summary>
    /// <param name="context">The request.</param>
    /// <param name="message">What there is not.</param>
    /// <param name="place">Its name.</param>
    public static Task NotFoundAsync(HttpContext context, string message, string place) =>
        ErrorAsync(context, StatusCodes.Status404NotFound, new DoorError("not_found", message, place));

    /// <summary>Answers with bytes.</summary>
    /// <param name="context">The request.</param>
    /// <param name="bytes">The body; a HEAD request gets its length alone.</param>
    /// <param name="contentType">What they are.</param>
    /// <param name="status">The status.</param>
    public static async Task BytesAsync(HttpContext context, ReadOnlyMemory<byte> bytes, string contentType, int status = StatusCodes.Status200OK)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        context.Response.ContentLength = bytes.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await context.Response.Body.WriteAsync(bytes, context.RequestAborted).ConfigureAwait(false);
        }
    }

    /// <summary>Builds a document.</summary>
    /// <param name="build">Builds it.</param>
    /// <returns>Its bytes, with a newline.</returns>
    public static ReadOnlyMemory<byte> Build(Action<Utf8JsonWriter> build)
    {
        ArrayBufferWriter<byte> buffer = new(1024);
        using (Utf8JsonWriter writer = new(buffer, s_options))
        {
            build(writer);
        }

        buffer.Write("\n"u8);
        return buffer.WrittenMemory;
    }

    /// <summary>The status of a store's fault: 503 for what may pass or be mended, so that nobody takes it for an answer about the thing asked for.</summary>
    /// <param name="code">The fault's code.</param>
    public static int StatusOf(StateStoreErrorCode code) => code is StateStoreErrorCode.InvalidInput ? StatusCodes.Status400BadRequest : StatusCodes.Status503ServiceUnavailable;
}
