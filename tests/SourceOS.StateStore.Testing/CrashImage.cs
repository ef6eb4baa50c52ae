// Why this file exists: one possible content of the disk after a crash. Invariants: complete in itself (it shares only immutable blocks); its
// label with the seed of the trace names the choices that made it.

namespace SourceOS.StateStore.Testing;

/// <summary>A file of an image.</summary>
/// <param name="LengthBytes">Its length.</param>
/// <param name="Blocks">Its 4 KiB blocks; null or absent ones are zero.</param>
public sealed record CrashImageFile(long LengthBytes, byte[]?[] Blocks)
{
    /// <summary>The content as one array.</summary>
    public byte[] ToArray()
    {
        byte[] content = new byte[LengthBytes];
        for (int i = 0; i < Blocks.Length && (long)i * DiskFile.BlockBytes < LengthBytes; i++)
        {
            if (Blocks[i] is { } block)
            {
                int offset = i * DiskFile.BlockBytes;
                block.AsSpan(0, (int)Math.Min(block.Length, LengthBytes - offset)).CopyTo(content.AsSpan(offset));
            }
        }

        return content;
    }
}

/// <summary>One possible content of the traced directory after a crash.</summary>
/// <param name="Step">How many steps had happened.</param>
/// <param name="Label">Which choices made it.</param>
/// <param name="Directories">Relative paths, parents first.</param>
/// <param name="Files">Files by relative path.</param>
public sealed record CrashImage(int Step, string Label, IReadOnlyList<string> Directories, IReadOnlyDictionary<string, CrashImageFile> Files)
{
    public override string ToString() => $"step {Step}, {Label}";

    /// <summary>Writes the image into a directory that is empty or absent.</summary>
    public void WriteTo(string directory)
    {
        Directory.CreateDirectory(directory);
        foreach (string name in Directories)
        {
            Directory.CreateDirectory(Path.Combine(directory, name));
        }

        foreach ((string name, CrashImageFile image) in Files)
        {
            using FileStream stream = new(Path.Combine(directory, name), FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
            stream.SetLength(image.LengthBytes);
            for (int i = 0; i < image.Blocks.Length && (long)i * DiskFile.BlockBytes < image.LengthBytes; i++)
            {
                if (image.Blocks[i] is { } block)
                {
                    long offset = (long)i * DiskFile.BlockBytes;
                    stream.Position = offset;
                    stream.Write(block.AsSpan(0, (int)Math.Min(block.Length, image.LengthBytes - offset)));
                }
            }
        }
    }
}
