/** The entries of a block that is in memory, read from its bytes at the first question. */
import { must } from "../base/assert.js";
import { decodeBlock } from "./block-decoder.js";
import type { ChannelContents } from "./unit.js";
import { NO_CONTENTS } from "./unit.js";

export class LazyContents {
  /** Set as soon as the block is finished. */
  block: Buffer | undefined;
  #channels: ReadonlyMap<string, ChannelContents> | undefined;

  of(channel: string): ChannelContents {
    this.#channels ??= decodeBlock(must(this.block, "the block of a unit")).contents;
    return this.#channels.get(channel) ?? NO_CONTENTS;
  }
}
