// Why this file exists: an image of the log needs a state, a boot id and a way to be opened; those are chosen here. Invariants: a choice is a function of
// its number; a state is never newer than the moment of the crash; after a power loss each page of it may be of another age.

using SourceOS.StateStore.Testing;

namespace SourceOS.StateStore.Simulation.Tests;

/// <summary>What the state of an image is.</summary>
internal enum StateVariant
{
    /// <summary>As the trace has it.</summary>
    Recorded = 1,

    /// <summary>The newest one, after a power loss.</summary>
    Newest = 2,

    /// <summary>An older one, after a power loss.</summary>
    Older = 3,

    /// <summary>None at all.</summary>
    Missing = 4,

    /// <summary>Pages of several ages, after a power loss.</summary>
    MixedPages = 5,

    /// <summary>The newest one in the kernel that wrote it: the process died, not the machine.</summary>
    NewestSameBoot = 6,
}

/// <summary>Puts images on a disk.</summary>
internal static class ImageStage
{
    private const int PageBytes = 4096;

    /// <summary>Writes an image with its state to a directory.</summary>
    internal static void Write(CrashImage image, RecordedRun run, StateVariant variant, Random random, string directory)
    {
        image.WriteTo(directory);
        if (variant != StateVariant.NewestSameBoot)
        {
            StoreCopy.ChangeBoot(directory);
        }

        StoreCopy.AdoptInode(directory);

        if (variant == StateVariant.Recorded)
        {
            return;
        }

        string generation = Path.Combine(directory, "state", "g1");
        if (variant == StateVariant.Missing)
        {
            Scratch.Remove(generation);
            return;
        }

        Directory.CreateDirectory(generation);
        File.WriteAllBytes(Path.Combine(generation, "data.mdb"), Choose([.. run.Captures.TakeWhile(capture => capture.Step <= image.Step)], variant, random));
    }

    private static byte[] Choose(StateCapture[] captures, StateVariant variant, Random random)
    {
        StateCapture newest = captures[^1];
        if (variant == StateVariant.Older)
        {
            return captures[random.Next(captures.Length)].Content;
        }

        if (variant != StateVariant.MixedPages)
        {
            return newest.Content;
        }

        byte[] mixed = (byte[])newest.Content.Clone();
        byte[] other = captures[random.Next(captures.Length)].Content;
        int share = random.Next(1, 8);
        for (int at = 0; at < Math.Min(mixed.Length, other.Length); at += PageBytes)
        {
            if (random.Next(8) < share)
            {
                other.AsSpan(at, PageBytes).CopyTo(mixed.AsSpan(at));
            }
        }

        return mixed;
    }
}
