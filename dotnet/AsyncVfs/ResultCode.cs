namespace AsyncVfs;

/// <summary>SQLite's result codes, as far as they are met here.</summary>
internal static class ResultCode
{
    internal const int Ok = 0;
    internal const int Busy = 5;
    internal const int NoMemory = 7;
    internal const int NotFound = 12;
    internal const int Full = 13;
    internal const int CantOpen = 14;
    internal const int TooBig = 18;
    internal const int Misuse = 21;
    internal const int Range = 25;
    internal const int NotADatabase = 26;
    internal const int Warning = 28;

    /// <summary>What went wrong, for the end of a message.</summary>
    internal static string Describe(int code) => (code & 0xff) switch
    {
        Busy => "the time is up (SQLITE_BUSY)",
        NoMemory => "out of memory (SQLITE_NOMEM)",
        NotFound => "it is not open through asyncvfs (SQLITE_NOTFOUND)",
        Full => "the disk is full (SQLITE_FULL)",
        10 => $"the disk refuses to write (SQLITE_IOERR, {code})",
        CantOpen => "the journal cannot be made (SQLITE_CANTOPEN)",
        Misuse => "wrong use (SQLITE_MISUSE)",
        _ => $"SQLite's result code is {code}",
    };
}
