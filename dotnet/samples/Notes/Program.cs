// Notes: a text that is saved at every keystroke, each a transaction of its own.
//
//   Notes FILE                     an editor: type; Esc ends it
//   Notes --compare TEXT FOLDER    types TEXT into three databases: how long did each save take?
using Notes;
using AsyncVfs;

switch (args)
{
    case ["--compare", var text, var folder]:
        return Comparison.Run(File.ReadAllText(text), folder);
    case [var file] when !file.StartsWith('-'):
        await Editor.Run(file);
        return 0;
    default:
        Console.Error.WriteLine("Notes FILE: an editor that saves every keystroke; Esc ends it\nNotes --compare TEXT FOLDER: how long saving takes");
        return 2;
}
