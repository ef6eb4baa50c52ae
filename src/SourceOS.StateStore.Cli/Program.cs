// Why this file exists: the entry point, and nothing else.

using SourceOS.StateStore.Cli.Host;
using SourceOS.StateStore.Cli.Output;
using SourceOS.StateStore.Cli.Verbs;

if (BootCheckVerb.TryRun(args, out int bootExitCode))
{
    return bootExitCode;
}

using ByteOutput output = new(1);
using ByteOutput errors = new(2);
return (int)await new CliHost(output, errors).RunAsync(args).ConfigureAwait(false);
