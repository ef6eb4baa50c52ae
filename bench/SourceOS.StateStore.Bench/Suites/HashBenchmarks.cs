// Why this file exists: the format's checksums and hashes beside the plainest way to get the same answer.

using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Bench.Suites;

/// <summary>Hashes of a record, a block and a segment's worth of bytes.</summary>
public class HashBenchmarks
{
    private readonly byte[] _hash = new byte[Checksum.Sha256LengthBytes];
    private byte[] _data = [];

    /// <summary>Bytes hashed.</summary>
    [Params(64, 512, 4096, 1 << 20)]
    public int LengthBytes { get; set; }

    /// <summary>Fills the bytes.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _data = new byte[LengthBytes];
        new Random(1).NextBytes(_data);
    }

    /// <summary>The floor of every hash: reading the bytes.</summary>
    [Benchmark]
    public ulong Floor_sum_of_words()
    {
        ulong sum = 0;
        foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(_data))
        {
            sum += word;
        }

        return sum;
    }

    /// <summary>CRC-32C with one instruction after the other.</summary>
    [Benchmark]
    public uint Floor_crc32c_one_stream()
    {
        uint crc = 0xFFFFFFFF;
        foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(_data))
        {
            crc = BitOperations.Crc32C(crc, word);
        }

        return ~crc;
    }

    /// <summary>The format's CRC-32C.</summary>
    [Benchmark]
    public uint Crc32C() => Checksum.Crc32C(_data);

    /// <summary>The format's XXH3-64.</summary>
    [Benchmark]
    public ulong Xxh64() => Checksum.Xxh64(1, _data);

    /// <summary>The format's XXH3-128.</summary>
    [Benchmark]
    public UInt128 Xxh128() => Checksum.Xxh128(1, _data);

    /// <summary>SHA-256 as the runtime offers it.</summary>
    [Benchmark]
    public int Floor_runtime_sha256() => SHA256.HashData(_data, _hash);

    /// <summary>The format's SHA-256.</summary>
    [Benchmark]
    public void Sha256() => Checksum.Sha256(_data, _hash);

    /// <summary>The hash of a leaf.</summary>
    [Benchmark]
    public void Sha256Leaf() => Checksum.Sha256Leaf(_data, default, _hash);

    /// <summary>The root over leaves of 32 bytes.</summary>
    [Benchmark]
    public Hash256 Tree() => MerkleHash.Root(_data);
}
