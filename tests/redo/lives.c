/* lives.c: lives of the model (model.h), natively. usage: lives LIVES [SEED] */
#include <stdio.h>
#include <stdlib.h>

#include "redo/model.h"
#include "seam.h"

int main(int argc, char **argv) {
  long lives = argc > 1 ? strtol(argv[1], NULL, 10) : 1000, i;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  for (i = 0; i < lives; i++) {
    const char *wrong = model_live(seed * 1000000 + (uint64_t)i);
    if (wrong != NULL) {
      printf("life %llu: %s\n", (unsigned long long)(seed * 1000000 + (uint64_t)i), wrong);
      return 1;
    }
  }
  if (native_heap_blocks() != 0) {
    printf("%ld blocks of memory were not freed\n", native_heap_blocks());
    return 1;
  }
  printf("%ld lives: %llu kills, %llu of them power cuts: %llu replays of %llu commits, %llu refused; 0 wrong\n", lives,
         (unsigned long long)model_totals.kills, (unsigned long long)model_totals.cuts, (unsigned long long)model_totals.replays,
         (unsigned long long)model_totals.commits, (unsigned long long)model_totals.refused);
  return 0;
}
