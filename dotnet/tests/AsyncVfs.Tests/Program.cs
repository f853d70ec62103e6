using AsyncVfs.Tests;
using Xunit.Sdk;
using Xunit.v3;
using Xunit.Runner.InProc.SystemConsole;

// Databases and the registration belong to the process.
[assembly: Parallelization(Mode = ParallelMode.None)]

// AsyncVfs.Tests.exe child NAME PATH: what a test has another process do.
return args is ["child", var name, var path] ? Child.Run(name, path) : await ConsoleRunner.Run(args);
