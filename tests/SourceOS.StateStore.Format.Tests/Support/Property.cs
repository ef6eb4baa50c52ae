// Why this file exists: structures with many fields are drawn from one generated seed, so that a failing case is one number.

using FsCheck;
using FsCheck.Fluent;

namespace SourceOS.StateStore.Format.Tests;

internal static class Property
{
    /// <summary>Fails when the property is false, or throws, for a generated seed; the failure names the seed.</summary>
    internal static void Holds(Func<Random, bool> property, int cases = 200) =>
        Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(cases).WithEndSize(int.MaxValue / 2),
            Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed => property(new Random(seed))));

    internal static ulong NextUInt64(this Random random) => unchecked((ulong)random.NextInt64(long.MinValue, long.MaxValue));

    internal static byte[] NextBytes(this Random random, int length)
    {
        byte[] bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }
}
