/** Channel names: what clients attach to and what tokens grant. */

/** At most 200 bytes, so that it fits a database key beside a serial. */
export const CHANNEL_BYTES_MAX = 200;

/** Printable, without white space, quotes, backslash or the pattern's star. */
const CHANNEL = /^[A-Za-z0-9_\-.:@/+=~!$,;()\u00a1-\uffff]+$/u;

const encoder = new TextEncoder();

export function isChannelName(name: string): boolean {
  return CHANNEL.test(name) && encoder.encode(name).length <= CHANNEL_BYTES_MAX;
}

/** The same, for whom each name of each row passes: no character takes more than three bytes, so few are counted. */
export function isChannelNameOfRow(name: string): boolean {
  return name.length * 3 <= CHANNEL_BYTES_MAX ? CHANNEL.test(name) : isChannelName(name);
}

/** A pattern is a channel name in which `*` stands for any run of characters, the empty one included. */
export function isChannelPattern(pattern: string): boolean {
  return pattern.length > 0 && isChannelName(pattern.replaceAll("*", "x"));
}

export function channelMatches(pattern: string, channel: string): boolean {
  const parts = pattern.split("*");
  const first = parts[0] ?? "";
  if (parts.length === 1) return pattern === channel;
  const last = parts[parts.length - 1] ?? "";
  if (channel.length < first.length + last.length) return false;
  if (!channel.startsWith(first) || !channel.endsWith(last)) return false;
  let at = first.length;
  const end = channel.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = channel.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return at <= end;
}
