namespace AsyncVfs;

/// <summary>Where a commit is when COMMIT returns.</summary>
public enum Durability
{
    /// <summary>In memory, on the disk within the lag: lost if the process dies before.</summary>
    Memory,

    /// <summary>In memory that the operating system keeps when the process is killed or crashes, on the disk within the lag:
    /// lost in a power cut before. The default. Where it cannot be had, Disk is in force, and
    /// <see cref="AsyncVfsStatus.DurabilityReason"/> says why.</summary>
    Os,

    /// <summary>On the disk: it survives a power cut.</summary>
    Disk,
}

/// <summary>What a writer meets when the queue of its database is full.</summary>
public enum QueueFullBehavior
{
    /// <summary>It waits at the start of its transaction, up to <see cref="AsyncVfsOptions.FullTimeout"/>.</summary>
    Wait,

    /// <summary>SQLITE_BUSY.</summary>
    Busy,
}

/// <summary>What the last close does while the disk refuses to write.</summary>
public enum CloseBehavior
{
    /// <summary>It tries for <see cref="AsyncVfsOptions.CloseTimeout"/>.</summary>
    Drain,

    /// <summary>It gives up after several failures in a row.</summary>
    Abandon,
}
