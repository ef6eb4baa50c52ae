// Why this file exists: the rules by which one image is drawn from the model: for each pending block, length and name change, what reached the medium.
// Invariants: draws in a fixed order (directories by name, blocks by number), so a choice is a function of its index and its seed.

namespace SourceOS.StateStore.Testing;

/// <summary>Decides about each pending thing, in the order in which the model lists them.</summary>
internal abstract class CrashChoice
{
    /// <summary>Which version of a block is on the medium: 0 is the durable one, <paramref name="versions"/> the newest. With another one and a mask, sectors of the other replace this one's.</summary>
    public abstract (int Base, int Other, byte OtherSectors) Block(int versions);

    /// <summary>Which length is on the medium: 0 is the durable one.</summary>
    public abstract int Length(int versions);

    /// <summary>Whether a change of names is on the medium.</summary>
    public abstract bool KeepsChange();

    /// <summary>Everything pending is lost, or all of it is there, except one thing, which is the other way round or torn.</summary>
    public sealed class Uniform(bool keep, int exception = -1, byte tornSectors = 0) : CrashChoice
    {
        private int _index;

        public override (int Base, int Other, byte OtherSectors) Block(int versions)
        {
            bool isException = _index++ == exception;
            if (isException && tornSectors != 0)
            {
                return (0, versions, tornSectors);
            }

            int chosen = keep != isException ? versions : 0;
            return (chosen, chosen, 0);
        }

        public override int Length(int versions) => keep != (_index++ == exception) ? versions : 0;

        public override bool KeepsChange() => keep != (_index++ == exception);
    }

    /// <summary>Exactly the things of a set are there in their newest version; the others are as they were synced last.</summary>
    public sealed class Subset(Func<int, bool> keeps) : CrashChoice
    {
        private int _index;

        public override (int Base, int Other, byte OtherSectors) Block(int versions)
        {
            int chosen = keeps(_index++) ? versions : 0;
            return (chosen, chosen, 0);
        }

        public override int Length(int versions) => keeps(_index++) ? versions : 0;

        public override bool KeepsChange() => keeps(_index++);
    }

    /// <summary>Everything is drawn.</summary>
    public sealed class Drawn(Random random) : CrashChoice
    {
        public override (int Base, int Other, byte OtherSectors) Block(int versions)
            => (random.Next(versions + 1), random.Next(versions + 1), random.Next(3) == 0 ? (byte)random.Next(256) : (byte)0);

        public override int Length(int versions) => random.Next(versions + 1);

        public override bool KeepsChange() => random.Next(2) == 0;
    }
}
