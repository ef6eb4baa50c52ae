// Why this file exists: what is around the page's content: the document and its one style. Invariants: colours follow the reader's light or dark; a phone scrolls a wide table inside its own box and never the page; state is said in words,
// colour only repeats it.

using System.Text.Encodings.Web;

namespace SourceOS.StateStore.Daemon.Page;

/// <summary>Wraps the page's content.</summary>
internal static class PageFrame
{
    private const int RefreshSeconds = 10;

    private const string Style = """
        :root{color-scheme:light dark;--ink:#1b1f24;--dim:#59636e;--paper:#fff;--card:#f6f8fa;--line:#d1d9e0;--good:#1a7f37;--warn:#9a6700;--bad:#cf222e}
        @media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--paper:#0d1117;--card:#161b22;--line:#3d444d;--good:#3fb950;--warn:#d29922;--bad:#f85149}}
        *{box-sizing:border-box}body{margin:0 auto;max-width:72rem;padding:1rem;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
        h1{font-size:1.25rem;margin:.5rem 0 1rem}h2{font-size:1.05rem;margin:1.5rem 0 .5rem}p{margin:.25rem 0}code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
        .banner{border:1px solid var(--line);border-left:.5rem solid var(--warn);border-radius:.4rem;background:var(--card);padding:.75rem 1rem;overflow-wrap:anywhere}.word{font-size:1.4rem;font-weight:600}
        .healthy{border-left-color:var(--good)}.unsafe{border-left-color:var(--bad)}.unsafe .word{color:var(--bad)}
        .facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(13rem,100%),1fr));gap:.5rem 1rem;margin:1rem 0}dt{color:var(--dim);font-size:.85rem}dd{margin:0;overflow-wrap:anywhere}.facts div:nth-last-child(-n+2){grid-column:1/-1}
        .columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(28rem,100%),1fr));gap:0 2rem;align-items:start}.columns>*{min-width:0}
        .tiles,.map,.findings{display:flex;flex-wrap:wrap;gap:.5rem;list-style:none;margin:.5rem 0;padding:0}.tiles li,.map li,.findings li{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.25rem .6rem;overflow-wrap:anywhere}
        .map li{font:.85rem ui-monospace,monospace;border-bottom:.2rem solid var(--good)}.map .bad{border-bottom-color:var(--bad);font-weight:600}.findings li{flex:1 0 100%;font-size:.9rem;border-left:.25rem solid var(--bad)}
        .wide{overflow-x:auto;border:1px solid var(--line);border-radius:.4rem}table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
        time{white-space:nowrap}tbody tr:last-child td{border-bottom:0}th{color:var(--dim);font-weight:600;white-space:nowrap}.none td{color:var(--dim)}table:not(.cards) td:first-child{white-space:nowrap}footer{color:var(--dim);font-size:.85rem;margin-top:1.5rem}
        @media(max-width:40rem){.cards thead{display:none}.cards,.cards tbody,.cards tr,.cards td{display:block}.cards tr{padding:.4rem .6rem;border-bottom:1px solid var(--line)}.cards tr:last-child{border-bottom:0}
        .cards td{display:flex;gap:.5rem;padding:0;border:0}.cards td:empty{display:none}.cards td::before{content:attr(data-head);flex:0 0 5.5rem;color:var(--dim)}}
        """;

    /// <summary>The whole document.</summary>
    /// <param name="title">The health in a word.</param>
    /// <param name="body">The content, encoded.</param>
    public static string Wrap(string title, string body) =>
        $"<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width,initial-scale=1\"><meta http-equiv=refresh content={RefreshSeconds}>"
        + $"<title>{HtmlEncoder.Default.Encode(title)} - state store</title><style>{Style}</style></head><body><main><h1>State store</h1>{body}</main>"
        + $"<footer>This page only reads, and asks again every {RefreshSeconds} seconds. Times are UTC. For programs: /readyz, /statez, /events, /metrics.</footer></body></html>";
}
