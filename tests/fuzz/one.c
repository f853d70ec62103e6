/* one.c: runs a fuzzer's inputs without libFuzzer: for coverage, for a debugger.
 * usage: PROGRAM FILE... */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

int main(int argc, char **argv) {
  static uint8_t data[1 << 20];
  int i;
  LLVMFuzzerInitialize(&argc, &argv);
  for (i = 1; i < argc; i++) {
    FILE *f = fopen(argv[i], "rb");
    if (f == NULL) {
      perror(argv[i]);
      return 1;
    }
    LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof data, f));
    fclose(f);
  }
  return 0;
}
