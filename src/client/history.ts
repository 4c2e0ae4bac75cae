/** Older entries of an `events` channel, a page at a time. */
import { AppError } from "../base/errors.js";
import type { Cast, WireCast } from "./client.js";
import { type Entry, entryView } from "./entry-view.js";
import { channelNames } from "./follower.js";

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
  const { wire } = (cast as WireCast).parts;
  const { before, after, limit, signal } = request;
  const answer = await wire.ask(
    (id) => ({
      t: "history",
      id,
      channel,
      limit,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    }),
    { signal, again: true },
  );
  if (answer.t !== "historyPage") {
    throw new AppError("CLIENT_FRAME_INVALID", `asking for history: ${answer.t} came for it`);
  }
  const { epoch, floor, head, more, groups } = answer;
  const entries = groups.flatMap(({ table, schema, base, entries: list }) => {
    const known = wire.schema(table, schema);
    return list.map((entry) => entryView(channel, known, base, entry));
  });
  return { epoch, floor, head, more, entries };
}
