// Why this file exists: where the door may listen: a unix socket or a loopback address, nothing else, ever. Invariants: a name is not resolved, so no resolver can turn it into another machine's address.

using System.Globalization;
using System.Net;

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>A checked address. Immutable.</summary>
/// <param name="SocketPath">The unix socket's path; null for TCP.</param>
/// <param name="EndPoint">The loopback address and port; null for a socket.</param>
internal sealed record ListenAddress(string? SocketPath, IPEndPoint? EndPoint)
{
    /// <summary>Where the door listens unless told otherwise.</summary>
    public const string Default = "127.0.0.1:7713";

    // sun_path has 108 bytes and a terminator (unix(7)).
    private const int MaxSocketPathBytes = 107;

    /// <summary>Reads an address.</summary>
    /// <param name="text">`unix:PATH`, `127.0.0.1:PORT`, `[::1]:PORT` or `localhost:PORT`; `http://` before it is taken.</param>
    /// <param name="address">The address, when it is one that may be used.</param>
    /// <param name="reason">Why not.</param>
    /// <returns>Whether it may be used.</returns>
    public static bool TryParse(string text, out ListenAddress? address, out string reason)
    {
        ArgumentNullException.ThrowIfNull(text);
        address = null;
        reason = "";
        if (text.StartsWith("unix:", StringComparison.Ordinal))
        {
            string path = text["unix:".Length..];
            if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal))
            {
                reason = "The socket's path is empty.";
                return false;
            }

            path = Path.GetFullPath(path);
            if (System.Text.Encoding.UTF8.GetByteCount(path) > MaxSocketPathBytes)
            {
                reason = $"The socket's path is longer than {MaxSocketPathBytes} bytes.";
                return false;
            }

            address = new ListenAddress(path, null);
            return true;
        }

        string rest = text.StartsWith("http://", StringComparison.Ordinal) ? text["http://".Length..].TrimEnd('/') : text;
        int colon = rest.LastIndexOf(':');
        string host = colon < 0 ? "" : rest[..colon];
        if (colon < 0 || !ushort.TryParse(rest.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            reason = "An address is unix:PATH, or HOST:PORT with a port from 0 to 65535.";
            return false;
        }

        IPAddress? ip = host == "localhost" ? IPAddress.Loopback : host is ['[', .. string inner, ']'] && IPAddress.TryParse(inner, out IPAddress? six) ? six : IPAddress.TryParse(host, out IPAddress? four) ? four : null;
        if (ip is null || !IPAddress.IsLoopback(ip))
        {
            reason = "The door listens on loopback or a unix socket only: 127.0.0.1:PORT, [::1]:PORT or unix:PATH.";
            return false;
        }

        address = new ListenAddress(null, new IPEndPoint(ip, port));
        return true;
    }
}
