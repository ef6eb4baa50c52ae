// Why this file exists: a reader that has seen enough is not an error; the program ends quietly. Invariants: only output raises it.

namespace SourceOS.StateStore.Cli.Output;

/// <summary>The reader of the output has gone.</summary>
internal sealed class BrokenPipeException() : Exception("The reader of the output has gone.");
