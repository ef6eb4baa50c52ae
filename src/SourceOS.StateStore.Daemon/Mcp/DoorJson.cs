// Why this file exists: what little the agents' door serializes is generated at build time, as everywhere here.

using System.Text.Json;
using System.Text.Json.Serialization;

namespace SourceOS.StateStore.Daemon.Mcp;

/// <summary>Generated serialization.</summary>
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class DoorJson : JsonSerializerContext;
