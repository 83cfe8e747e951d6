/** Figures as the server writes them (`templatetags/figures.py`). */

/** Seconds: one decimal under ten, none above. */
export function duration(seconds) {
  const digits = seconds < 10 ? 1 : 0;
  return seconds.toLocaleString(document.documentElement.lang, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });
}
