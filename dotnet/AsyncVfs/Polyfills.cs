#if !NET
namespace System.Runtime.CompilerServices
{
    /// <summary>The compiler wants it for records; .NET Framework lacks it.</summary>
    internal static class IsExternalInit;
}
#endif
