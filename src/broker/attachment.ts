/** One channel on one session: what was sent, and what of it the client was told to hold. */
import { assert } from "../base/assert.js";
import type { AttachFrom, ChannelStatus } from "../protocol/frames.js";
import type { AttachDecision } from "./attach-decision.js";
import type { HubChannel } from "./hub-channel.js";
import type { Session } from "./session.js";

/**
 * `new`: not decided yet. `loading`: pages take effect one by one. `collecting`: the client collects until
 * the commit that makes it ready. `ready`: every commit speaks for it.
 */
export type AttachmentStage = "new" | "loading" | "collecting" | "ready";

export class Attachment {
  readonly session: Session;
  readonly channel: HubChannel;
  /** `id` of the request. */
  readonly request: number;
  readonly from: AttachFrom;
  /** Content comes page by page until the channel is ready. */
  readonly paged: boolean;

  stage: AttachmentStage = "new";
  epoch = 0;
  /** The serial that the client holds: as of the last page or commit that named the channel. */
  held = 0;
  /** The serial up to which entries were sent. */
  sent = 0;
  /** The channel's floor in the lap that began at 0; undefined where the client's place was taken. */
  floor: number | undefined;
  /** What was sent since `attached` replaces the client's content. */
  replaces = false;
  /** The hub's: its session is owed what follows `sent`. */
  isOwed = false;
  /** As told last. */
  status: ChannelStatus = { state: "ready" };

  constructor(
    session: Session,
    channel: HubChannel,
    request: { readonly id: number; readonly from: AttachFrom; readonly loading: boolean },
  ) {
    this.session = session;
    this.channel = channel;
    this.request = request.id;
    this.from = request.from;
    this.paged = request.loading || typeof request.from === "string" || "last" in request.from;
  }

  /** Sent again from `decision.after`; a ready channel stays ready with its old content. */
  begin(decision: AttachDecision): void {
    if (this.stage === "new") this.stage = this.paged ? "loading" : "collecting";
    this.epoch = decision.epoch;
    this.held = decision.after;
    this.sent = decision.after;
    this.floor = undefined;
    this.replaces = decision.how === "snapshot";
  }

  /** Entries up to `serial` of `epoch` were sent. */
  advance(epoch: number, serial: number): void {
    assert(serial >= this.sent, () => `${this.channel.name} went back: ${this.sent} to ${serial}`);
    this.epoch = epoch;
    this.sent = serial;
  }

  /** The client was told to hold all that was sent. */
  settle(): void {
    this.held = this.sent;
    this.replaces = false;
  }

  get owes(): boolean {
    return this.sent !== this.held || this.replaces;
  }
}
