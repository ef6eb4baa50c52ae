// Why this file exists: what little is serialized here is generated at build time, because nothing else survives trimming.

using System.Text.Json;
using System.Text.Json.Serialization;

namespace SourceOS.StateStore.Native;

/// <summary>Generated serialization.</summary>
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class NativeJson : JsonSerializerContext;
