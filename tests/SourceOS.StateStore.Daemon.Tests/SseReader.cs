// Why this file exists: a reader of Server-Sent Events as the standard describes it, so that the stream is judged by its bytes.

using System.Globalization;

namespace SourceOS.StateStore.Daemon.Tests;

internal sealed class SseReader : IDisposable
{
    private readonly HttpResponseMessage _response;
    private readonly StreamReader _reader;

    private SseReader(HttpResponseMessage response, StreamReader reader)
    {
        _response = response;
        _reader = reader;
    }

    public static async Task<SseReader> OpenAsync(DaemonProcess daemon, string path, string? lastId)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        request.Headers.Add("Accept", "text/event-stream");
        if (lastId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastId);
        }

        HttpResponseMessage response = await daemon.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        StreamReader reader = new(await response.Content.ReadAsStreamAsync());
        SseReader stream = new(response, reader);

        // The first line is sent before the stream waits; once it is here, nothing that follows is missed.
        Assert.Equal("retry: 2000", await stream.LineAsync());
        return stream;
    }

    public async Task<(ulong Sequence, string Type)> NextAsync()
    {
        ulong sequence = 0;
        string type = "";
        while (true)
        {
            string line = await LineAsync() ?? throw new InvalidOperationException("The stream ended.");
            if (line.StartsWith("id: evt-", StringComparison.Ordinal))
            {
                sequence = ulong.Parse(line["id: evt-".Length..], CultureInfo.InvariantCulture);
            }
            else if (line.StartsWith("event: ", StringComparison.Ordinal))
            {
                type = line["event: ".Length..];
            }
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                using System.Text.Json.JsonDocument data = System.Text.Json.JsonDocument.Parse(line["data: ".Length..]);
                Assert.Equal(sequence, data.RootElement.GetProperty("sequence").GetUInt64());
                return (sequence, type);
            }
        }
    }

    public async Task<bool> IsEndedAsync()
    {
        try
        {
            string? line;
            while ((line = await LineAsync()) is "" || line?.StartsWith(':') == true)
            {
            }

            return line is null;
        }
        catch (IOException)
        {
            return true;
        }
    }

    public void Dispose()
    {
        _reader.Dispose();
        _response.Dispose();
    }

    private async Task<string?> LineAsync()
    {
        using CancellationTokenSource bound = new(DaemonProcess.BoundMs);
        return await _reader.ReadLineAsync(bound.Token);
    }
}
