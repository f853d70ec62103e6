/* figures.c: see figures.h. */
#include "figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *grouped(double value, char *out, size_t n) {
  char digits[40];
  size_t length, i, at = 0;
  if (isnan(value)) {
    snprintf(out, n, "-");
    return out;
  }
  snprintf(digits, sizeof digits, "%.0f", value);
  length = strlen(digits);
  for (i = 0; i < length && at + 2 < n; i++) {
    out[at++] = digits[i];
    if ((length - i - 1) % 3 == 0 && i + 1 < length) out[at++] = ',';
  }
  out[at] = '\0';
  return out;
}

const char *micros(double ns, char *out, size_t n) {
  if (isnan(ns)) {
    snprintf(out, n, "-");
  } else if (ns < 100e3) {
    snprintf(out, n, "%.2f", ns / 1e3);
  } else {
    grouped(ns / 1e3, out, n);
  }
  return out;
}

const char *times(double value, double base, char *out, size_t n) {
  double ratio = value / base;
  if (isnan(ratio)) {
    snprintf(out, n, "-");
  } else if (ratio >= 100) {
    grouped(ratio, out, n);
  } else {
    snprintf(out, n, ratio < 0.1 ? "%.4f" : "%.2f", ratio);
  }
  return out;
}
