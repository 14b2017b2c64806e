/** Text for comma-separated values. */

/** Give a text from a server so that a spreadsheet does not take it for a formula, which it would run. */
export function harmless(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

/** Quote a field (RFC 4180). */
export function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
