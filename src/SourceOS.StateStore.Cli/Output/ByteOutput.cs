// Why this file exists: standard output and error as plain bytes. The runtime's console streams swallow a broken pipe, so a list piped
// into `head` would go on for ever; these say so. Invariants: output is UTF-8; nothing is written behind the caller's back: what is
// not flushed is not written.

using System.Runtime.InteropServices;
using System.Text;
using SourceOS.StateStore.Cli.Host;

namespace SourceOS.StateStore.Cli.Output;

/// <summary>A buffered byte stream to a file descriptor of the process. Used by one thread at a time.</summary>
internal sealed unsafe partial class ByteOutput(int fd) : Stream
{
    private const int BufferBytes = 32 * 1024;
    private const int InterruptedError = 4;
    private const int TryAgainError = 11;
    private const int BrokenPipeError = 32;
    private const int NoSpaceError = 28;
    private const short PollOut = 4;

    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _used;

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Writes text as UTF-8.</summary>
    /// <param name="text">The text.</param>
    public void Write(string text)
    {
        Span<byte> bytes = stackalloc byte[512];
        ReadOnlySpan<char> rest = text;
        while (!rest.IsEmpty)
        {
            // A pair of surrogates is never cut: it goes into the next piece whole.
            int take = Math.Min(rest.Length, 128);
            if (take < rest.Length && char.IsHighSurrogate(rest[take - 1]))
            {
                take--;
            }

            Write(bytes[..Encoding.UTF8.GetBytes(rest[..take], bytes)]);
            rest = rest[take..];
        }
    }

    /// <summary>Writes text and a newline.</summary>
    /// <param name="text">The text.</param>
    public void WriteLine(string text)
    {
        Write(text);
        Write("\n"u8);
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int take = Math.Min(buffer.Length, _buffer.Length - _used);
            buffer[..take].CopyTo(_buffer.AsSpan(_used));
            _used += take;
            buffer = buffer[take..];
            if (_used == _buffer.Length)
            {
                Flush();
            }
        }
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        int done = 0;
        int end = _used;
        _used = 0;
        while (done < end)
        {
            nint written;
            fixed (byte* pointer = _buffer)
            {
                written = write(fd, pointer + done, (nuint)(end - done));
            }

            if (written >= 0)
            {
                done += (int)written;
                continue;
            }

            Fail(Marshal.GetLastPInvokeError());
        }
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    // Returns when the write may be tried again.
    private void Fail(int error)
    {
        switch (error)
        {
            case InterruptedError:
                return;
            case TryAgainError:
                PollDescriptor descriptor = new() { Fd = fd, Events = PollOut };
                _ = poll(&descriptor, 1, -1);
                return;
            case BrokenPipeError:
                throw new BrokenPipeException();
            case NoSpaceError:
                throw CliException.InputOutput("The output cannot be written: the device has no space left.", "standard output");
            default:
                throw CliException.InputOutput($"The output cannot be written (error {error}).", "standard output");
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Fd;
        public short Events;
        public short Answer;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int fd, byte* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(PollDescriptor* descriptors, nuint count, int timeoutMs);
}
