/** Whether a channel's content is complete, by what the pipeline says of its rules. Pure. */
import type { CopyStatus } from "../journal/journal.js";
import { channelMatches } from "../model/channel.js";
import type { ChannelStatus } from "../protocol/frames.js";

const ready: ChannelStatus = { state: "ready" };

/** Of several rules that feed the channel the first that is not done counts. */
export function statusOf(copying: readonly CopyStatus[], channel: string): ChannelStatus {
  for (const rule of copying) {
    if (!rule.channels.some((pattern) => channelMatches(pattern, channel))) continue;
    const { state, rowsDone, rowsTotal } = rule;
    return rowsTotal === undefined ? { state, rowsDone } : { state, rowsDone, rowsTotal };
  }
  return ready;
}

export function sameStatus(a: ChannelStatus, b: ChannelStatus): boolean {
  return a.state === b.state && a.rowsDone === b.rowsDone && a.rowsTotal === b.rowsTotal;
}
