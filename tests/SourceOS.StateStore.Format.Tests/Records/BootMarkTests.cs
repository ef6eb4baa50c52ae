// Why this file exists: what a boot leans on is said in JSON, by any program; who reads it too narrowly leaves a record unread, who reads it too widely lets any text with the word in it cost a boot its time.

using System.Text;

namespace SourceOS.StateStore.Format.Tests;

public sealed class BootMarkTests
{
    [Theory]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","policy_tags":["boot-critical"]}""", true)]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","policy_tags":["x","b\u006fot-critical","y"]}""", true)]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","policy_tags":["x", 7, "boot-critical"]}""", true)]
    [InlineData("""{"schema":"sourceos.profile-record/v1alpha1","profile_id":"a","policy_tags":["boot-critical"]}""", true)]
    [InlineData("""{"schema":"sourceos.device-record/v1alpha1","device_id":"a","policy_tags":["x","boot-critical"]}""", true)]
    [InlineData("""{"schema":"sourceos.key-record/v1alpha1","key_id":"a","other":"boot-critical","policy_tags":["boot-critical"]}""", true)]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","policy_tags":["boot-critical-not","Boot-critical","boot"]}""", false)]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","policy_tags":"boot-critical"}""", false)]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","policy_tags":{"boot-critical":"boot-critical"}}""", false)]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","policy_tags":[["boot-critical"],{"boot-critical":1}]}""", false)]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","policy_tags":null,"title":"boot-critical"}""", false)]
    [InlineData("""{"schema":"sourceos.object-record/v1alpha1","object_id":"a","title":"boot-critical","policy":["boot-critical"]}""", false)]
    [InlineData("""{"schema":"sourceos.device-record/v1alpha1","device_id":"a","policy_tags":"boot-critical"}""", false)]
    [InlineData("""{"schema":"sourceos.device-record/v1alpha1","device_id":"a","policy_tags":["boot-critica\u006c"]}""", false)]
    public void The_tag_is_an_element_of_policy_tags_and_nothing_else(string document, bool isTagged)
    {
        Assert.True(RecordJson.TryParse(Encoding.UTF8.GetBytes(document), out RecordKind kind, out _, out byte[]? bytes, out RecordJsonFault fault), fault.ToString());
        Assert.True(RecordBodyView.TryRead(bytes, out RecordBodyView body, out _));
        Assert.Equal(isTagged, BootMark.IsTagged(kind, body));
    }
}
