/** Channels as an app names them, and where one begins of which nothing is held yet. */
import { AppError } from "../base/errors.js";
import { isChannelName } from "../model/channel.js";
import type { AttachFrom } from "../protocol/frames.js";

/** A channel to follow: its name, or with where to begin when nothing of it is held yet (default: everything). */
export type ChannelChoice =
  | string
  | { readonly channel: string; readonly from?: "start" | "now" | { readonly last: number } };

export function nameOf(choice: string | { readonly channel: string }): string {
  return typeof choice === "string" ? choice : choice.channel;
}

/** Throws CLIENT_CHANNEL_INVALID. */
export function channelNames(
  choices: readonly (string | { readonly channel: string })[],
): string[] {
  const names = choices.map(nameOf);
  for (const name of names) {
    if (isChannelName(name)) continue;
    const found = `attaching ${JSON.stringify(name)}: it is no channel name`;
    throw new AppError("CLIENT_CHANNEL_INVALID", found);
  }
  return [...new Set(names)];
}

export function beginning(choices: readonly ChannelChoice[], name: string): AttachFrom {
  const choice = choices.find((one) => nameOf(one) === name);
  return (typeof choice === "object" ? choice.from : undefined) ?? "start";
}
