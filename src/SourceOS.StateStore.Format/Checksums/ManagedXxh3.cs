// Why this file exists: XXH3 with the default secret and a seed, for machines where the library is missing, as in early boot.
// Invariants: equal to the library for every length and seed; no allocation; reads only the input.

using System.Buffers.Binary;
using System.Numerics;

namespace SourceOS.StateStore.Format;

internal static partial class ManagedXxh3
{
    private const ulong Prime32A = 0x9E3779B1;
    private const ulong Prime32B = 0x85EBCA77;
    private const ulong Prime32C = 0xC2B2AE3D;
    private const ulong Prime64A = 0x9E3779B185EBCA87;
    private const ulong Prime64B = 0xC2B2AE3D27D4EB4F;
    private const ulong Prime64C = 0x165667B19E3779F9;
    private const ulong Prime64D = 0x85EBCA77C2B2AE63;
    private const ulong Prime64E = 0x27D4EB2F165667C5;
    private const ulong MixMultiplier = 0x9FB21C651E98DF25;
    private const ulong AvalancheMultiplier = 0x165667919E3779F9;

    private const int SecretLength = 192;
    private const int SecretMinimum = 136;
    private const int StripeLength = 64;
    private const int StripesInBlock = (SecretLength - StripeLength) / 8;
    private const int BlockLength = StripeLength * StripesInBlock;

    private static ReadOnlySpan<byte> Secret =>
    [
        0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
        0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
        0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
        0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
        0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
        0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
        0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
        0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
        0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
        0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
        0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
        0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
    ];

    internal static ulong Hash64(ulong seed, ReadOnlySpan<byte> data) => data.Length switch
    {
        <= 16 => Hash64Short(seed, data),
        <= 128 => Hash64To128(seed, data),
        <= 240 => Hash64To240(seed, data),
        _ => Hash64Long(seed, data),
    };

    private static ulong Hash64Short(ulong seed, ReadOnlySpan<byte> data)
    {
        int length = data.Length;
        if (length > 8)
        {
            ulong flipLow = (Key(24) ^ Key(32)) + seed;
            ulong flipHigh = (Key(40) ^ Key(48)) - seed;
            ulong low = Read64(data, 0) ^ flipLow;
            ulong high = Read64(data, length - 8) ^ flipHigh;
            return Avalanche((ulong)length + BinaryPrimitives.ReverseEndianness(low) + high + Fold(low, high));
        }

        if (length >= 4)
        {
            seed ^= (ulong)BinaryPrimitives.ReverseEndianness((uint)seed) << 32;
            ulong joined = Read32(data, length - 4) + ((ulong)Read32(data, 0) << 32);
            ulong value = joined ^ ((Key(8) ^ Key(16)) - seed);
            value ^= BitOperations.RotateLeft(value, 49) ^ BitOperations.RotateLeft(value, 24);
            value *= MixMultiplier;
            value ^= (value >> 35) + (ulong)length;
            value *= MixMultiplier;
            return value ^ (value >> 28);
        }

        if (length > 0)
        {
            return AvalancheOld(Spread(data) ^ ((Key32(0) ^ Key32(4)) + seed));
        }

        return AvalancheOld(seed ^ Key(56) ^ Key(64));
    }

    private static ulong Hash64To128(ulong seed, ReadOnlySpan<byte> data)
    {
        int length = data.Length;
        ulong sum = (ulong)length * Prime64A;
        for (int i = (length - 1) / 32; i >= 0; i--)
        {
            sum += Mix16(data, 16 * i, Secret, 32 * i, seed);
            sum += Mix16(data, length - (16 * (i + 1)), Secret, (32 * i) + 16, seed);
        }

        return Avalanche(sum);
    }

    private static ulong Hash64To240(ulong seed, ReadOnlySpan<byte> data)
    {
        int length = data.Length;
        ulong sum = (ulong)length * Prime64A;
        for (int i = 0; i < 8; i++)
        {
            sum += Mix16(data, 16 * i, Secret, 16 * i, seed);
        }

        sum = Avalanche(sum);
        for (int i = 8; i < length / 16; i++)
        {
            sum += Mix16(data, 16 * i, Secret, (16 * (i - 8)) + 3, seed);
        }

        return Avalanche(sum + Mix16(data, length - 16, Secret, SecretMinimum - 17, seed));
    }

    private static ulong Hash64Long(ulong seed, ReadOnlySpan<byte> data)
    {
        Span<byte> secret = stackalloc byte[SecretLength];
        Span<ulong> lanes = stackalloc ulong[8];
        DeriveSecret(seed, secret);
        AccumulateLong(lanes, data, secret);
        return Merge(lanes, secret[11..], (ulong)data.Length * Prime64A);
    }

    private static void DeriveSecret(ulong seed, Span<byte> secret)
    {
        for (int i = 0; i < SecretLength; i += 16)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(secret[i..], Key(i) + seed);
            BinaryPrimitives.WriteUInt64LittleEndian(secret[(i + 8)..], Key(i + 8) - seed);
        }
    }

    private static void AccumulateLong(Span<ulong> lanes, ReadOnlySpan<byte> data, ReadOnlySpan<byte> secret)
    {
        lanes[0] = Prime32C;
        lanes[1] = Prime64A;
        lanes[2] = Prime64B;
        lanes[3] = Prime64C;
        lanes[4] = Prime64D;
        lanes[5] = Prime32B;
        lanes[6] = Prime64E;
        lanes[7] = Prime32A;
        int blocks = (data.Length - 1) / BlockLength;
        for (int block = 0; block < blocks; block++)
        {
            Accumulate(lanes, data.Slice(block * BlockLength, BlockLength), secret, StripesInBlock);
            Scramble(lanes, secret[(SecretLength - StripeLength)..]);
        }

        ReadOnlySpan<byte> rest = data[(blocks * BlockLength)..];
        Accumulate(lanes, rest, secret, (rest.Length - 1) / StripeLength);
        Accumulate(lanes, data[^StripeLength..], secret[(SecretLength - StripeLength - 7)..], 1);
    }

    private static void Accumulate(Span<ulong> lanes, ReadOnlySpan<byte> data, ReadOnlySpan<byte> secret, int stripes)
    {
        for (int stripe = 0; stripe < stripes; stripe++)
        {
            ReadOnlySpan<byte> input = data.Slice(stripe * StripeLength, StripeLength);
            ReadOnlySpan<byte> keys = secret.Slice(stripe * 8, StripeLength);
            for (int lane = 0; lane < 8; lane++)
            {
                ulong value = Read64(input, lane * 8);
                ulong keyed = value ^ Read64(keys, lane * 8);
                lanes[lane ^ 1] += value;
                lanes[lane] += (keyed & 0xFFFFFFFF) * (keyed >> 32);
            }
        }
    }

    private static void Scramble(Span<ulong> lanes, ReadOnlySpan<byte> keys)
    {
        for (int lane = 0; lane < 8; lane++)
        {
            ulong value = lanes[lane];
            lanes[lane] = (value ^ (value >> 47) ^ Read64(keys, lane * 8)) * Prime32A;
        }
    }

    private static ulong Merge(ReadOnlySpan<ulong> lanes, ReadOnlySpan<byte> keys, ulong start)
    {
        for (int i = 0; i < 8; i += 2)
        {
            start += Fold(lanes[i] ^ Read64(keys, i * 8), lanes[i + 1] ^ Read64(keys, (i * 8) + 8));
        }

        return Avalanche(start);
    }

    private static ulong Mix16(ReadOnlySpan<byte> data, int at, ReadOnlySpan<byte> secret, int key, ulong seed) =>
        Fold(Read64(data, at) ^ (Read64(secret, key) + seed), Read64(data, at + 8) ^ (Read64(secret, key + 8) - seed));

    /// <summary>One to three bytes and their number, spread over 32 bits.</summary>
    private static uint Spread(ReadOnlySpan<byte> data) =>
        ((uint)data[0] << 16) | ((uint)data[data.Length >> 1] << 24) | data[^1] | ((uint)data.Length << 8);

    private static ulong Fold(ulong left, ulong right)
    {
        ulong high = Math.BigMul(left, right, out ulong low);
        return high ^ low;
    }

    private static ulong Avalanche(ulong value)
    {
        value ^= value >> 37;
        value *= AvalancheMultiplier;
        return value ^ (value >> 32);
    }

    private static ulong AvalancheOld(ulong value)
    {
        value ^= value >> 33;
        value *= Prime64B;
        value ^= value >> 29;
        value *= Prime64C;
        return value ^ (value >> 32);
    }

    private static ulong Key(int at) => Read64(Secret, at);

    private static uint Key32(int at) => Read32(Secret, at);

    private static ulong Read64(ReadOnlySpan<byte> data, int at) => BinaryPrimitives.ReadUInt64LittleEndian(data[at..]);

    private static uint Read32(ReadOnlySpan<byte> data, int at) => BinaryPrimitives.ReadUInt32LittleEndian(data[at..]);
}
