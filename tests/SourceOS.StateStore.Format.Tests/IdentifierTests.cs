// Why this file exists: the rules for identifiers and event types decide what may enter a store at all.

using System.Text;

namespace SourceOS.StateStore.Format.Tests;

public sealed class IdentifierTests
{
    [Theory]
    [InlineData("a", IdentifierFault.None)]
    [InlineData("object:alpha", IdentifierFault.None)]
    [InlineData("urn:srcos:ünïcödé 🙂", IdentifierFault.None)]
    [InlineData("\u00A0", IdentifierFault.None)]
    [InlineData("", IdentifierFault.Empty)]
    [InlineData("a\0b", IdentifierFault.ControlCharacter)]
    [InlineData("a\u001F", IdentifierFault.ControlCharacter)]
    [InlineData("a\u007F", IdentifierFault.ControlCharacter)]
    [InlineData("xé\u0080", IdentifierFault.ControlCharacter)]
    [InlineData("Âé\u009Fz", IdentifierFault.ControlCharacter)]
    public void Identifiers_are_judged_alike_as_text_and_bytes(string text, IdentifierFault expected)
    {
        Assert.Equal(expected, Identifier.Check(text));
        Assert.Equal(expected, Identifier.Check(Encoding.UTF8.GetBytes(text)));
        Assert.Equal(expected == IdentifierFault.None, Identifier.IsValid(text, out string reason));
        Assert.Equal(expected == IdentifierFault.None, reason.Length == 0);
    }

    [Fact]
    public void Length_is_counted_in_bytes()
    {
        Assert.True(Identifier.IsValid(new string('a', 255)));
        Assert.Equal(IdentifierFault.TooLong, Identifier.Check(new string('a', 256)));
        Assert.True(Identifier.IsValid(new string('é', 127)));
        Assert.Equal(IdentifierFault.TooLong, Identifier.Check(new string('é', 128)));
    }

    [Fact]
    public void Text_that_is_not_utf8_is_refused()
    {
        Assert.Equal(IdentifierFault.NotUtf8, Identifier.Check("\uD800"));
        Assert.Equal(IdentifierFault.NotUtf8, Identifier.Check([0xC2]));
        Assert.Equal(IdentifierFault.NotUtf8, Identifier.Check([(byte)'a', 0xFF]));
    }

    [Theory]
    [InlineData("sync.object.created", true)]
    [InlineData("a", true)]
    [InlineData("a-b_c.0", true)]
    [InlineData("", false)]
    [InlineData(".a", false)]
    [InlineData("a.", false)]
    [InlineData("a..b", false)]
    [InlineData("A", false)]
    [InlineData("a b", false)]
    [InlineData("ä", false)]
    public void Event_types_are_dotted_names(string text, bool expected) =>
        Assert.Equal(expected, Identifier.IsValidEventType(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Event_types_end_at_128_bytes()
    {
        Assert.True(Identifier.IsValidEventType(Encoding.UTF8.GetBytes(new string('a', 128))));
        Assert.False(Identifier.IsValidEventType(Encoding.UTF8.GetBytes(new string('a', 129))));
    }
}
