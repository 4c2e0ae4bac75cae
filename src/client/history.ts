/** Older entries of an `events` channel, a page at a time. */
import { AppError } from "../base/errors.js";
import type { ClientFrame, HistoryPageFrame, ServerFrame } from "../protocol/frames.js";
import { flawOf } from "../protocol/server-frames.js";
import { abortable } from "./abortable.js";
import type { Cast, WireCast } from "./client.js";
import { type Entry, entryView } from "./entry-view.js";
import type { Wire } from "./wire.js";
import { channelNames } from "./channel-choice.js";

export interface HistoryRequest {
  /** One of both: entries below this serial, the newest of them; or above it, the oldest of them. Neither: the newest. */
  readonly before?: number;
  readonly after?: number;
  /** At most 1,000. */
  readonly limit: number;
  readonly signal?: AbortSignal;
}

export interface HistoryPage {
  readonly epoch: number;
  /** Entries up to this serial are no longer retained. */
  readonly floor: number;
  /** The channel's newest serial. */
  readonly head: number;
  /** More is retained in the direction asked for. */
  readonly more: boolean;
  /** In serial order. */
  readonly entries: readonly Entry[];
}

/**
 * A page of what an `events` channel retains; it need not be attached. Waits for a connection; rejects with
 * CLIENT_REQUEST_REFUSED, CLIENT_CLOSED or the signal's reason.
 */
export async function history(
  cast: Cast,
  channel: string,
  request: HistoryRequest,
): Promise<HistoryPage> {
  channelNames([channel]);
  const { wire } = cast as WireCast;
  const { before, after, limit, signal } = request;
  const frame = (id: number): ClientFrame => ({
    t: "history",
    id,
    channel,
    limit,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  });
  const answer = await asked(wire, frame, signal);
  if (answer.t !== "historyPage" || !isWhole(answer)) {
    throw new AppError("CLIENT_FRAME_INVALID", `asking for history: ${answer.t} is malformed`);
  }
  const { epoch, floor, head, more, groups } = answer;
  const entries = groups.flatMap(({ table, schema, base, entries: list }) => {
    const known = wire.schema(table, schema);
    return list.map((entry) => entryView(channel, known, base, entry));
  });
  return { epoch, floor, head, more, entries };
}

function isWhole(page: HistoryPageFrame): boolean {
  if (flawOf("epoch floor head groups:object[]", { ...page }) !== undefined) return false;
  if (typeof page.more !== "boolean") return false;
  const group = "table:text schema base entries:entry[]";
  return page.groups.every((one) => flawOf(group, { ...one }) === undefined);
}

/** In this session, or in the next one if it ends before the answer. */
async function asked(
  wire: Wire,
  frame: (id: number) => ClientFrame,
  signal: AbortSignal | undefined,
): Promise<ServerFrame> {
  const release = wire.hold();
  try {
    for (;;) {
      await opened(wire, signal);
      try {
        return await wire.ask(frame, signal);
      } catch (error) {
        if (!(error instanceof AppError && error.code === "CLIENT_SILENT")) throw error;
      }
    }
  } finally {
    release();
  }
}

function opened(wire: Wire, signal: AbortSignal | undefined): Promise<void> {
  return abortable(signal, (resolve, reject) => {
    const check = (): void => {
      if (wire.session !== undefined) resolve();
      else if (wire.state.name === "closed") {
        reject(new AppError("CLIENT_CLOSED", "the cast was closed before the answer came"));
      }
    };
    check();
    return wire.watch(check);
  });
}
