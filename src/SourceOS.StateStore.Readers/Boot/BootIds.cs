// Why this file exists: whether the machine went down since the store was last open for writing shows in two boot ids. Invariants: the lock file is advice from whoever wrote it; anything unreadable there
// means "not known", which is treated like a power loss.

using System.Text.Json;
using SourceOS.StateStore.Readers.Log;

namespace SourceOS.StateStore.Readers.Boot;

/// <summary>Reads boot ids.</summary>
internal static class BootIds
{
    private const string KernelFile = "/proc/sys/kernel/random/boot_id";
    private const int MaxLockBytes = 4096;

    /// <summary>The boot id of the running kernel; empty when it cannot be told.</summary>
    public static string Current()
    {
        try
        {
            return File.ReadAllText(KernelFile).Trim();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // An initramfs without /proc: nothing can be compared, so nothing is assumed.
            return "";
        }
    }

    /// <summary>The boot id in a store's lock file; empty when there is none.</summary>
    public static string OfLock(BootCheckOptions options, out bool isReadable)
    {
        isReadable = false;
        StoreLayout layout = new(options.StorePath);
        if ((options.Files ?? StoreFiles.Native).Open(layout.LockPath, out PositionalFile? file) != ReadStatus.Ok || file is null)
        {
            return "";
        }

        using (file)
        {
            byte[] bytes = new byte[MaxLockBytes];
            _ = file.Read(0, bytes, out int length);
            string bootId = Parse(bytes.AsSpan(0, length));
            isReadable = bootId.Length > 0;
            return bootId;
        }
    }

    private static string Parse(ReadOnlySpan<byte> content)
    {
        try
        {
            Utf8JsonReader reader = new(content, new JsonReaderOptions { MaxDepth = 4 });
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("bootId"u8))
                {
                    return reader.Read() && reader.TokenType == JsonTokenType.String ? reader.GetString() ?? "" : "";
                }
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // Not what a writer leaves behind, so it says nothing.
            return "";
        }

        return "";
    }
}
