// Why this file exists: a unix socket that only its owner can connect to, from the moment that it exists. Invariants: no moment between bind and chmod in which others could connect: the mask is set before; a file that is no dead socket
// is never removed.

using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace SourceOS.StateStore.Daemon.Http;

/// <summary>Makes and removes the socket's file.</summary>
internal static unsafe partial class SocketFile
{
    private const uint OthersMask = 0x7F; // 0177: nothing but reading and writing by the owner.

    // statx(2): its structure is the same on every architecture, with the mode 28 bytes in.
    private const int CurrentDirectory = -100;
    private const int NoFollow = 0x100;
    private const uint WantsType = 1;
    private const int StatLengthBytes = 256;
    private const int ModeAt = 28;
    private const int TypeMask = 0xF000;
    private const int SocketMode = 0xC000;

    private static readonly Lock s_maskGate = new();

    /// <summary>Removes the socket that a process left behind when it died.</summary>
    /// <param name="path">The socket's path.</param>
    /// <exception cref="IOException">Something else is there, or somebody listens.</exception>
    public static void RemoveDead(string path)
    {
        byte* stat = stackalloc byte[StatLengthBytes];
        if (Statx(CurrentDirectory, path, NoFollow, WantsType, stat) != 0)
        {
            return;
        }

        if ((*(ushort*)(stat + ModeAt) & TypeMask) != SocketMode)
        {
            throw new IOException($"'{path}' exists and is not a socket; nothing was removed.");
        }

        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }

        throw new IOException($"Somebody listens on '{path}'.");
    }

    /// <summary>Binds a socket that only the owner can use.</summary>
    /// <param name="path">Its path.</param>
    /// <returns>The socket, bound.</returns>
    /// <exception cref="SocketException">It cannot be bound.</exception>
    public static Socket Bind(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // The mask is the process's: other threads that make files meanwhile make them no more open than they asked for.
            lock (s_maskGate)
            {
                uint before = Umask(OthersMask);
                try
                {
                    socket.Bind(new UnixDomainSocketEndPoint(path));
                }
                finally
                {
                    _ = Umask(before);
                }
            }

            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    [LibraryImport("libc", EntryPoint = "umask")]
    private static partial uint Umask(uint mask);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, byte* result);
}
