// Why this file exists: where a policy service is and how long it is waited for, as the policy document says it. Invariants: a service is on this machine's own loopback, so that no
// question about an object leaves the device to be answered, and no name is looked up.

using System.Net;

namespace SourceOS.StateStore.Governance.Policy;

/// <summary>A policy service. Immutable.</summary>
/// <param name="Url">Its address: `http://` with a loopback address, a port and a path.</param>
/// <param name="TimeoutMs">Milliseconds that one attempt may take, connecting and reading included; 1 to <see cref="MaxTimeoutMs"/>.</param>
/// <param name="Retries">Attempts after the first; 0 to <see cref="MaxRetries"/>.</param>
public sealed record PolicyServiceSettings(string Url, int TimeoutMs = PolicyServiceSettings.DefaultTimeoutMs, int Retries = PolicyServiceSettings.DefaultRetries)
{
    /// <summary>Milliseconds of an attempt when the document does not say.</summary>
    public const int DefaultTimeoutMs = 500;

    /// <summary>Most milliseconds of an attempt.</summary>
    public const int MaxTimeoutMs = 30_000;

    /// <summary>Attempts after the first when the document does not say.</summary>
    public const int DefaultRetries = 2;

    /// <summary>Most attempts after the first.</summary>
    public const int MaxRetries = 5;
}

/// <summary>A checked address of a policy service.</summary>
/// <param name="EndPoint">Where it listens.</param>
/// <param name="Host">The `Host` header.</param>
/// <param name="Target">The request target.</param>
internal sealed record PolicyServiceAddress(IPEndPoint EndPoint, string Host, string Target)
{
    public static bool TryParse(string url, out PolicyServiceAddress? address, out string reason)
    {
        address = null;
        reason = "A policy service's 'url' is http:// with a loopback address (127.0.0.1, [::1] or localhost), a port and a path, without user, query and fragment.";
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? uri) || uri.Scheme != Uri.UriSchemeHttp || uri.UserInfo.Length > 0 || uri.Query.Length > 0 || uri.Fragment.Length > 0 || uri.Port is < 1 or > 65535)
        {
            return false;
        }

        // `localhost` is taken as the address it stands for: asking a resolver would let whoever answers it choose the judge.
        IPAddress? ip = uri.Host == "localhost" ? IPAddress.Loopback : IPAddress.TryParse(uri.Host.Trim('[', ']'), out IPAddress? given) ? given : null;
        if (ip is null || !IPAddress.IsLoopback(ip))
        {
            return false;
        }

        address = new PolicyServiceAddress(new IPEndPoint(ip, uri.Port), uri.Authority, uri.AbsolutePath);
        reason = "";
        return true;
    }
}
