// Why this file exists: a batch that exists can be committed, so everything that could refuse its content refuses it when it is added. Invariants: misuse is an ArgumentException and
// leaves the batch as it was.

using SourceOS.StateStore.Format;

namespace SourceOS.StateStore.Tests;

public sealed class BatchRulesTests
{
    [Fact]
    public void A_body_that_its_kind_does_not_allow_is_refused()
    {
        CommitBatch batch = new();

        // A time in a text field, a slot that the kind does not have, a known field among the unknown ones, no kind at all.
        byte[] wrongTag = new RecordBodyBuilder().SetTime(ObjectSlots.ObjectType, 1).Build().ToArray();
        byte[] tooMany = new RecordBodyBuilder().SetText(60, "x").Build().ToArray();
        byte[] strangeSchema = new RecordBodyBuilder().SetText(0, "not").Build().ToArray();
        byte[] otherSchema = new RecordBodyBuilder().SetText(0, "sourceos.actor-record/v1alpha1").Build().ToArray();
        byte[] fine = RoundTripTests.ObjectBody("note", "t");
        Assert.Throws<ArgumentException>(() => batch.Put(RecordKind.Object, "a", wrongTag));
        Assert.Throws<ArgumentException>(() => batch.Put(RecordKind.Trust, "a", tooMany));
        Assert.Throws<ArgumentException>(() => batch.Put(RecordKind.Object, "a", strangeSchema));
        Assert.Throws<ArgumentException>(() => batch.Put(RecordKind.Object, "a", otherSchema));
        Assert.Throws<ArgumentException>(() => batch.Put((RecordKind)200, "a", fine));
        Assert.Throws<ArgumentException>(() => batch.Put(RecordKind.Object, "a", fine.AsMemory(1)));
        Assert.Equal(0, batch.Count);
        Assert.Equal(1, batch.Put(RecordKind.Object, "a", fine).Count);
    }
}
