// Why this file exists: publishing the native program takes most of this project's time, so the classes that run it share one.

namespace SourceOS.StateStore.Boot.Tests;

[CollectionDefinition(Name)]
public sealed class NativeProgramCollection : ICollectionFixture<NativeProgram>
{
    public const string Name = "native program";
}
