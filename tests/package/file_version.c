/* file_version.exe FILE: the version resource, as Windows' own functions read it. */
#include <windows.h>

#include <stdio.h>

static const void *query(const void *block, const char *what) {
  void *value = NULL;
  UINT length;
  return VerQueryValueA(block, what, &value, &length) && length > 0 ? value : NULL;
}

int main(int argc, char **argv) {
  static const char *const names[] = {"FileVersion", "ProductVersion", "ProductName",
                                      "FileDescription", "OriginalFilename"};
  static char block[8192];
  char key[100];
  const VS_FIXEDFILEINFO *fixed;
  size_t i;
  if (argc != 2 || !GetFileVersionInfoA(argv[1], 0, sizeof block, block)) return 2;
  fixed = query(block, "\\");
  if (fixed == NULL) return 1;
  printf("numbers: %u.%u.%u.%u\n", HIWORD(fixed->dwFileVersionMS), LOWORD(fixed->dwFileVersionMS),
         HIWORD(fixed->dwFileVersionLS), LOWORD(fixed->dwFileVersionLS));
  for (i = 0; i < sizeof names / sizeof *names; i++) {
    const char *text;
    snprintf(key, sizeof key, "\\StringFileInfo\\040904b0\\%s", names[i]);
    text = query(block, key);
    printf("%s: %s\n", names[i], text == NULL ? "(none)" : text);
  }
  return 0;
}
