// Why this file exists: what every request passes before it reaches the store. Invariants: GET and HEAD alone; a page of another site cannot read the door through a person's browser (Host and Origin are checked, so a name that was
// bound to loopback elsewhere does not help); no answer is stored, framed or sniffed; a fault of the store is an answer and never a stack trace.

using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using SourceOS.StateStore.Governance.Doors;
using SourceOS.StateStore.Hosting;

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>The door's guards, as middleware.</summary>
internal sealed partial class Guards(RequestDelegate next, StateStoreAccess access, RequestCounts counts, ListenAddress address, ILogger<Guards> logger)
{
    /// <summary>Passes a request on, or answers why not.</summary>
    /// <param name="context">The request.</param>
    public async Task InvokeAsync(HttpContext context)
    {
        SetHeaders(context.Response.Headers);
        try
        {
            if (!await IsRefusedAsync(context).ConfigureAwait(false))
            {
                await next(context).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The caller has gone; nobody reads an answer.
            context.Abort();
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            await AnswerAsync(context, exception).ConfigureAwait(false);
        }
        finally
        {
            counts.Count(context.Response.StatusCode);
        }
    }

    private static void SetHeaders(IHeaderDictionary headers)
    {
        headers.CacheControl = "no-store";
        headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }

    private async Task<bool> IsRefusedAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            await Answers.ErrorAsync(context, StatusCodes.Status405MethodNotAllowed, new DoorError("method_not_allowed", "The HTTP door only reads.", request.Path, Next: "Write with the command line or the library.")).ConfigureAwait(false);
            return true;
        }

        if (request.ContentLength > 0 || request.Headers.TransferEncoding.Count > 0)
        {
            await Answers.ErrorAsync(context, StatusCodes.Status413PayloadTooLarge, new DoorError("body_not_allowed", "A request to this door has no body.", request.Path)).ConfigureAwait(false);
            return true;
        }

        if (address.SocketPath is null && !IsOwnName(request.Host.Host))
        {
            await Answers.ErrorAsync(context, StatusCodes.Status421MisdirectedRequest, new DoorError("wrong_host", "The Host header names no loopback address.", "Host", Next: "Ask 127.0.0.1, [::1] or localhost.")).ConfigureAwait(false);
            return true;
        }

        if (IsForeign(request))
        {
            await Answers.ErrorAsync(context, StatusCodes.Status403Forbidden, new DoorError("foreign_origin", "Pages of other sites cannot read this door.", "Origin")).ConfigureAwait(false);
            return true;
        }

        return false;
    }

    private static bool IsOwnName(string host) => host == "localhost" || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? ip) && IPAddress.IsLoopback(ip));

    private bool IsForeign(HttpRequest request)
    {
        string site = request.Headers["Sec-Fetch-Site"].ToString();
        string origin = request.Headers.Origin.ToString();
        bool isOwnOrigin = origin.Length == 0 || (Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri) && address.SocketPath is null && uri.Authority == request.Host.Value);
        return site is "cross-site" or "same-site" || !isOwnOrigin;
    }

    private Task AnswerAsync(HttpContext context, Exception exception)
    {
        switch (exception)
        {
            case StateStoreException fault:
                return Answers.ErrorAsync(context, Answers.StatusOf(fault.Code), DoorError.Of(fault, access.Options.StorePath));
            case ReadRefusedException refused:
                return Answers.ErrorAsync(context, StatusCodes.Status403Forbidden, refused.Error);
            case BadHttpRequestException bad:
                return Answers.ErrorAsync(context, bad.StatusCode, new DoorError("invalid_input", bad.Message));
            default:
                LogUnforeseen(logger, exception, context.Request.Path);
                return Answers.ErrorAsync(context, StatusCodes.Status500InternalServerError, new DoorError("internal", $"Internal error: {exception.GetType().Name}.", Next: "Please report this; the daemon's log has the whole of it."));
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A request for {Path} failed in a way that nobody foresaw.")]
    private static partial void LogUnforeseen(ILogger logger, Exception exception, string path);
}
