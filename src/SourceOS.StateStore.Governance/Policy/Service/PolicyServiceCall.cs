// Why this file exists: one HTTP exchange with a policy service, over a plain socket: a whole HTTP client would double the size of the native library for one small POST. Invariants: nothing
// is read beyond the bounds; no redirect is followed; an exchange that ends early is never taken for a short answer.

using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>How an exchange ended.</summary>
internal enum PolicyCallOutcome
{
    /// <summary>An answer with status 200 came.</summary>
    Answered = 1,

    /// <summary>Nobody answered, or asked to come back later: it may be tried again.</summary>
    Unreachable = 2,

    /// <summary>Something answered, but not as a policy service does.</summary>
    Unusable = 3,
}

/// <summary>What came of an exchange.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Body">The answer's body.</param>
/// <param name="Fault">What went wrong, as the end of a sentence.</param>
internal readonly record struct PolicyCallResult(PolicyCallOutcome Outcome, ReadOnlyMemory<byte> Body, string Fault);

/// <summary>Speaks HTTP/1.0, which has no chunks and one answer a connection.</summary>
internal static class PolicyServiceCall
{
    public const int MaxResponseBytes = 1 << 20;
    private const int MaxHeaderBytes = 16 << 10;

    public static async Task<PolicyCallResult> PostAsync(PolicyServiceAddress address, ReadOnlyMemory<byte> body, int timeoutMs, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timed.CancelAfter(timeoutMs);
        try
        {
            using Socket socket = new(address.EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(address.EndPoint, timed.Token).ConfigureAwait(false);
            string head = $"POST {address.Target} HTTP/1.0\r\nHost: {address.Host}\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: {body.Length.ToString(CultureInfo.InvariantCulture)}\r\n\r\n";
            await SendAsync(socket, Encoding.ASCII.GetBytes(head), timed.Token).ConfigureAwait(false);
            await SendAsync(socket, body, timed.Token).ConfigureAwait(false);
            return await ReadAsync(socket, timed.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Unreachable($"it did not answer within {timeoutMs} ms");
        }
        catch (SocketException exception)
        {
            return Unreachable($"the connection failed ({exception.SocketErrorCode})");
        }
    }

    private static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, cancellationToken).ConfigureAwait(false)..];
        }
    }

    private static async Task<PolicyCallResult> ReadAsync(Socket socket, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[4096];
        int length = 0;
        int headerEnd = -1;
        int expected = -1;
        while (true)
        {
            if (length == buffer.Length)
            {
                Array.Resize(ref buffer, buffer.Length * 2);
            }

            int count = await socket.ReceiveAsync(buffer.AsMemory(length), SocketFlags.None, cancellationToken).ConfigureAwait(false);
            length += count;
            if (headerEnd < 0 && (headerEnd = buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8)) >= 0 && Refusal(buffer.AsSpan(0, headerEnd), out expected) is { } refusal)
            {
                return refusal;
            }

            if (headerEnd < 0 ? length > MaxHeaderBytes : length - headerEnd - 4 > MaxResponseBytes)
            {
                return Unusable($"it answered with more than {(headerEnd < 0 ? MaxHeaderBytes : MaxResponseBytes)} bytes");
            }

            if (headerEnd >= 0 && expected >= 0 && length - headerEnd - 4 >= expected)
            {
                return new PolicyCallResult(PolicyCallOutcome.Answered, buffer.AsMemory(headerEnd + 4, expected), "");
            }

            if (count == 0)
            {
                return headerEnd >= 0 && expected < 0
                    ? new PolicyCallResult(PolicyCallOutcome.Answered, buffer.AsMemory(headerEnd + 4, length - headerEnd - 4), "")
                    : Unreachable("it closed the connection before its answer was whole");
            }
        }
    }

    // The status line and the two fields that say where the body ends; whatever else the header says changes nothing.
    private static PolicyCallResult? Refusal(ReadOnlySpan<byte> header, out int expected)
    {
        expected = -1;
        string[] lines = Encoding.Latin1.GetString(header).Split("\r\n");
        string[] status = lines[0].Split(' ', 3);
        if (status.Length < 2 || status[0] is not ("HTTP/1.0" or "HTTP/1.1") || status[1].Length != 3 || !int.TryParse(status[1], NumberStyles.None, CultureInfo.InvariantCulture, out int code))
        {
            return Unusable("it does not speak HTTP/1");
        }

        if (code != 200)
        {
            return code is 429 or >= 500 ? Unreachable($"it answered with status {code}") : Unusable(code is >= 300 and < 400 ? $"it redirects (status {code}), and a redirect is not followed" : $"it answered with status {code}");
        }

        foreach (string line in lines.Skip(1))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            string name = colon < 0 ? "" : line[..colon];
            if (name.Equals("Transfer-Encoding", StringComparison.OrdinalIgnoreCase) || name.Equals("Content-Encoding", StringComparison.OrdinalIgnoreCase))
            {
                return Unusable("it encodes its answer, which it was not asked to");
            }

            if (name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase)
                && (expected >= 0 || !int.TryParse(line.AsSpan(colon + 1).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out expected) || expected > MaxResponseBytes))
            {
                return Unusable($"its Content-Length is not a number of at most {MaxResponseBytes}");
            }
        }

        return null;
    }

    private static PolicyCallResult Unreachable(string fault) => new(PolicyCallOutcome.Unreachable, default, fault);

    private static PolicyCallResult Unusable(string fault) => new(PolicyCallOutcome.Unusable, default, fault);
}
