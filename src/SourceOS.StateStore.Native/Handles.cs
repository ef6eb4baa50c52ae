// Why this file exists: what C holds is a number and never an address of ours, so a handle that is closed, made up, or of another kind is noticed and not followed. Invariants: numbers are never used twice; what a handle stands for lives
// until it is closed and the last call that uses it has ended.

namespace SourceOS.StateStore.Native;

/// <summary>Something a handle stands for.</summary>
internal abstract class NativeObject
{
    private int _users = 1;

    /// <summary>Takes a share; false when it was given back for good.</summary>
    public bool TryShare()
    {
        int users;
        do
        {
            users = Volatile.Read(ref _users);
            if (users == 0)
            {
                return false;
            }
        }
        while (Interlocked.CompareExchange(ref _users, users + 1, users) != users);
        return true;
    }

    /// <summary>Gives a share back; the last one ends it.</summary>
    public void GiveBack()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            End();
        }
    }

    /// <summary>Frees what it holds. Called once.</summary>
    protected abstract void End();
}

/// <summary>All handles. Thread-safe.</summary>
internal static class Handles
{
    // Never zero, and never what a small integer that was taken for a handle would be.
    private const long First = 0x5353_0000_0010;
    private static readonly Lock s_gate = new();
    private static readonly Dictionary<nint, NativeObject> s_objects = [];
    private static long s_next = First;

    /// <summary>Gives an object a handle.</summary>
    public static nint Add(NativeObject item)
    {
        lock (s_gate)
        {
            nint handle = (nint)s_next;
            s_next += 16;
            s_objects.Add(handle, item);
            return handle;
        }
    }

    /// <summary>Finds what a handle stands for, and takes a share of it.</summary>
    public static T? Share<T>(nint handle)
        where T : NativeObject
    {
        lock (s_gate)
        {
            return s_objects.TryGetValue(handle, out NativeObject? item) && item is T wanted && wanted.TryShare() ? wanted : null;
        }
    }

    /// <summary>Takes a handle away; its object ends with the last call that uses it.</summary>
    public static bool Remove<T>(nint handle)
        where T : NativeObject
    {
        NativeObject? item;
        lock (s_gate)
        {
            if (!s_objects.TryGetValue(handle, out item) || item is not T)
            {
                return false;
            }

            s_objects.Remove(handle);
        }

        item.GiveBack();
        return true;
    }
}
