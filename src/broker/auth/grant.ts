/** What a token allows: channels by patterns, until an instant. */
import { channelMatches } from "../../model/channel.js";

export interface Grant {
  /** Channel patterns (`*` stands for any run of characters). */
  readonly channels: readonly string[];
  /** Milliseconds since 1970; undefined for no end. */
  readonly expiresAt: number | undefined;
  /** Whom the token names, for logs. */
  readonly subject: string | undefined;
}

/** What everybody may do where no authentication is configured (then only loopback listens). */
export const openGrant: Grant = { channels: ["*"], expiresAt: undefined, subject: undefined };

export function covers(grant: Grant, channel: string): boolean {
  return grant.channels.some((pattern) => channelMatches(pattern, channel));
}
