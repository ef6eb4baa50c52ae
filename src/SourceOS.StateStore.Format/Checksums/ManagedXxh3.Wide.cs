// Why this file exists: the 128-bit half of the managed XXH3. Invariants: equal to the library for every length and seed.

using System.Buffers.Binary;
using System.Numerics;

namespace SourceOS.StateStore.Format;

internal static partial class ManagedXxh3
{
    internal static UInt128 Hash128(ulong seed, ReadOnlySpan<byte> data) => data.Length switch
    {
        <= 16 => Hash128Short(seed, data),
        <= 128 => Hash128To128(seed, data),
        <= 240 => Hash128To240(seed, data),
        _ => Hash128Long(seed, data),
    };

    private static UInt128 Hash128Short(ulong seed, ReadOnlySpan<byte> data)
    {
        int length = data.Length;
        if (length > 8)
        {
            return Hash128To16(seed, data);
        }

        if (length >= 4)
        {
            seed ^= (ulong)BinaryPrimitives.ReverseEndianness((uint)seed) << 32;
            ulong joined = Read32(data, 0) + ((ulong)Read32(data, length - 4) << 32);
            ulong keyed = joined ^ ((Key(16) ^ Key(24)) + seed);
            ulong high = Math.BigMul(keyed, Prime64A + ((ulong)length << 2), out ulong low);
            high += low << 1;
            low ^= high >> 3;
            low ^= low >> 35;
            low *= MixMultiplier;
            low ^= low >> 28;
            return new UInt128(Avalanche(high), low);
        }

        if (length > 0)
        {
            uint spread = Spread(data);
            uint turned = BitOperations.RotateLeft(BinaryPrimitives.ReverseEndianness(spread), 13);
            ulong low = AvalancheOld(spread ^ ((Key32(0) ^ Key32(4)) + seed));
            ulong high = AvalancheOld(turned ^ ((Key32(8) ^ Key32(12)) - seed));
            return new UInt128(high, low);
        }

        return new UInt128(AvalancheOld(seed ^ Key(80) ^ Key(88)), AvalancheOld(seed ^ Key(64) ^ Key(72)));
    }

    private static UInt128 Hash128To16(ulong seed, ReadOnlySpan<byte> data)
    {
        int length = data.Length;
        ulong flipLow = (Key(32) ^ Key(40)) - seed;
        ulong flipHigh = (Key(48) ^ Key(56)) + seed;
        ulong first = Read64(data, 0);
        ulong last = Read64(data, length - 8);
        ulong high = Math.BigMul(first ^ last ^ flipLow, Prime64A, out ulong low);
        low += (ulong)(length - 1) << 54;
        last ^= flipHigh;
        high += last + ((last & 0xFFFFFFFF) * (Prime32B - 1));
        low ^= BinaryPrimitives.ReverseEndianness(high);
        ulong resultHigh = Math.BigMul(low, Prime64B, out ulong resultLow);
        resultHigh += high * Prime64B;
        return new UInt128(Avalanche(resultHigh), Avalanche(resultLow));
    }

    private static UInt128 Hash128To128(ulong seed, ReadOnlySpan<byte> data)
    {
        int length = data.Length;
        ulong low = (ulong)length * Prime64A;
        ulong high = 0;
        for (int i = (length - 1) / 32; i >= 0; i--)
        {
            Mix32(ref low, ref high, data, 16 * i, length - (16 * (i + 1)), 32 * i, seed);
        }

        return Finish(low, high, length, seed);
    }

    private static UInt128 Hash128To240(ulong seed, ReadOnlySpan<byte> data)
    {
        int length = data.Length;
        ulong low = (ulong)length * Prime64A;
        ulong high = 0;
        for (int i = 0; i < 4; i++)
        {
            Mix32(ref low, ref high, data, 32 * i, (32 * i) + 16, 32 * i, seed);
        }

        low = Avalanche(low);
        high = Avalanche(high);
        for (int i = 4; i < length / 32; i++)
        {
            Mix32(ref low, ref high, data, 32 * i, (32 * i) + 16, 3 + (32 * (i - 4)), seed);
        }

        Mix32(ref low, ref high, data, length - 16, length - 32, SecretMinimum - 17 - 16, 0UL - seed);
        return Finish(low, high, length, seed);
    }

    private static UInt128 Hash128Long(ulong seed, ReadOnlySpan<byte> data)
    {
        Span<byte> secret = stackalloc byte[SecretLength];
        Span<ulong> lanes = stackalloc ulong[8];
        DeriveSecret(seed, secret);
        AccumulateLong(lanes, data, secret);
        ulong low = Merge(lanes, secret[11..], (ulong)data.Length * Prime64A);
        ulong high = Merge(lanes, secret[(SecretLength - StripeLength - 11)..], ~((ulong)data.Length * Prime64B));
        return new UInt128(high, low);
    }

    private static void Mix32(ref ulong low, ref ulong high, ReadOnlySpan<byte> data, int first, int second, int key, ulong seed)
    {
        low += Mix16(data, first, Secret, key, seed);
        low ^= Read64(data, second) + Read64(data, second + 8);
        high += Mix16(data, second, Secret, key + 16, seed);
        high ^= Read64(data, first) + Read64(data, first + 8);
    }

    private static UInt128 Finish(ulong low, ulong high, int length, ulong seed)
    {
        ulong resultLow = low + high;
        ulong resultHigh = (low * Prime64A) + (high * Prime64D) + (((ulong)length - seed) * Prime64B);
        return new UInt128(0UL - Avalanche(resultHigh), Avalanche(resultLow));
    }
}
