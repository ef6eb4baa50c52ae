// Why this file exists: `statestore-bootcheck`, the program that an initramfs runs. Invariants: exit code 0, 10 or 20 for whatever it is given, and never a signal: what nobody foresaw is "review required".

using SourceOS.StateStore.Readers.Boot;

namespace SourceOS.StateStore.Boot;

internal static class Program
{
    private const int ReviewRequired = 10;

    private static int Main(string[] arguments)
    {
        try
        {
            using Stream output = Console.OpenStandardOutput();
            if (arguments is ["--help"] or ["-h"])
            {
                output.Write(System.Text.Encoding.ASCII.GetBytes(BootCommand.Usage));
                return ReviewRequired;
            }

            return BootCommand.Run(arguments, Environment.GetEnvironmentVariable("SOURCEOS_STATE_STORE"), output);
        }
        catch (Exception exception)
        {
            Console.Error.WriteLine($"statestore-bootcheck: {exception.GetType().Name}: {exception.Message}");
            return ReviewRequired;
        }
    }
}
