// Why this file exists: leases run out and clocks are set back; tests move time instead of waiting for it.

namespace SourceOS.StateStore.Governance.Tests.Gates;

internal sealed class SettableClock(DateTimeOffset now) : TimeProvider
{
    public DateTimeOffset Now { get; set; } = now;

    public override DateTimeOffset GetUtcNow() => Now;
}
